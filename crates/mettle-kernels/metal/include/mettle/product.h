// The factors of products of matrices: what is multiplied for weights of a type, and how sixteen weights become two chunks of 16-bit
// values.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>
#include <mettle/fragment.h>

using namespace metal;

namespace mettle_kernels {

// Values of k in a tile.
constant constexpr uint DEPTH = 32;

// What is multiplied for weights of a type: numbers of the type `operand`, in so many passes over k.
template <typename W>
struct product {
    typedef half operand;
    static constant constexpr uint passes = 1;
};

template <>
struct product<half> {
    typedef half operand;
    static constant constexpr uint passes = 1;
};

template <>
struct product<bfloat> {
    typedef bfloat operand;
    static constant constexpr uint passes = 2;
};

template <>
struct product<float> {
    typedef bfloat operand;
    static constant constexpr uint passes = 3;
};

// Two values, or what rounding them leaves out, as the bits of T.
METAL_FUNC uint rounded(half, float2 x, bool) { return as_type<uint>(half2(x)); }

METAL_FUNC uint rounded(bfloat, float2 x, bool rest)
{
    const bfloat2 near = bfloat2(x);
    if (!rest) {
        return as_type<uint>(near);
    }
    // An infinity leaves nothing out.
    const float2 left = x - float2(near);
    return as_type<uint>(bfloat2(select(left, float2(0.0f), isinf(float2(near)))));
}

// Eight of sixteen values as a chunk.
template <typename T>
METAL_FUNC uint4 chunk_of(wide x, uint first, bool rest)
{
    uint4 chunk;
#pragma unroll
    for (uint i = 0; i < 4; ++i) {
        chunk[i] = rounded(T(0), float2(element(x, first + 2 * i), element(x, first + 2 * i + 1)), rest);
    }
    return chunk;
}

// The last `count` values of a row, from value `first` on, then zeros. Only rows of a dense type end within a sixteen.
METAL_FUNC wide tail(device const float* row, uint first, uint count)
{
    wide x = splat(0.0f);
#pragma unroll
    for (uint i = 0; i < WIDE; ++i) {
        set_element(x, i, i < count ? row[first + i] : 0.0f);
    }
    return x;
}

template <typename Block>
METAL_FUNC wide tail(device const Block*, uint, uint)
{
    return splat(0.0f);
}

// Sixteen weights of a row of k from value `first` on, zeros beyond its end.
template <typename W>
METAL_FUNC wide sixteen(device const W* row, uint first, uint k, bool aligned)
{
    constexpr uint values = format<W>::values;
    if (!format<W>::dense || first + WIDE <= k) {
        const uint block = first / values;
        const uint part = first % values / WIDE;
        return format<W>::dense && aligned ? decode_aligned(row, block, part) : decode(row, block, part);
    }
    return first < k ? tail(row, first, k - first) : splat(0.0f);
}

}  // namespace mettle_kernels
