// Rows of key-value caches: how their values are read and written.
//
// A family of kernels over caches is a template over what their rows consist of: float, half, bfloat, or the block of a format of
// formats.h that values are encoded in as they come. METTLE_CACHE_FORMATS lists these types with their names. A head begins with
// a block, so its size is a multiple of the values of one.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>

using namespace metal;

namespace mettle_kernels {

// Sixteen values of a row from value `first`, a multiple of sixteen, on; `left` is how many there are from there to the end of the head,
// and zeros follow them.
METAL_FUNC wide cached_sixteen(device const float* row, uint first, uint left) { return load_next(row + first, left); }
METAL_FUNC wide cached_sixteen(device const half* row, uint first, uint left) { return load_next(row + first, left); }
METAL_FUNC wide cached_sixteen(device const bfloat* row, uint first, uint left) { return load_next(row + first, left); }

template <typename Block>
METAL_FUNC wide cached_sixteen(device const Block* row, uint first, uint)
{
    return decode(row, first / format<Block>::values, first % format<Block>::values / WIDE);
}

// Value i of a row.
METAL_FUNC float cached_value(device const float* row, uint i) { return row[i]; }
METAL_FUNC float cached_value(device const half* row, uint i) { return float(row[i]); }
METAL_FUNC float cached_value(device const bfloat* row, uint i) { return float(row[i]); }

METAL_FUNC float cached_value(device const block_q8_0* row, uint i)
{
    device const block_q8_0* block = row + i / 32;
    return float(block->d) * float(block->qs[i % 32]);
}

METAL_FUNC float cached_value(device const block_q4_0* row, uint i)
{
    device const block_q4_0* block = row + i / 32;
    const uint code = block->qs[i % 16] >> (i % 32 / 16 * 4) & 15u;
    return float(block->d) * (float(code) - 8.0f);
}

// Blocks are encoded as ggml does it, to the bit, where all values are finite. Others leave a scale that is none, so that they
// are not lost: a block with a NaN decodes to NaN.

// What decides the scale of 32 values: the one of largest magnitude, the first of equals. NaN if any is infinite or NaN.
METAL_FUNC float extreme(device const float* values)
{
    float most = 0.0f;
    float spoilt = 0.0f;
    for (uint i = 0; i < 32; ++i) {
        const float x = values[i];
        most = fabs(x) > fabs(most) ? x : most;
        spoilt += x - x;
    }
    return most + spoilt;
}

METAL_FUNC float inverse_or_zero(float d) { return d == 0.0f ? 0.0f : 1.0f / d; }

// The part of x before the point, within bounds; zero for NaN.
METAL_FUNC int whole_within(float x, float low, float high) { return x != x ? 0 : int(clamp(x, low, high)); }

METAL_FUNC void encode(device block_q8_0* block, device const float* values)
{
    const float d = fabs(extreme(values)) / 127.0f;
    const float inverse = inverse_or_zero(d);
    block->d = half(d);
    for (uint i = 0; i < 32; ++i) {
        block->qs[i] = char(whole_within(round(values[i] * inverse), -128.0f, 127.0f));
    }
}

METAL_FUNC void encode(device block_q4_0* block, device const float* values)
{
    // The product is rounded before anything is added to it.
#pragma METAL fp contract(off)
    const float d = extreme(values) / -8.0f;
    const float inverse = inverse_or_zero(d);
    block->d = half(d);
    for (uint i = 0; i < 16; ++i) {
        const int low = whole_within(values[i] * inverse + 8.5f, 0.0f, 15.0f);
        const int high = whole_within(values[i + 16] * inverse + 8.5f, 0.0f, 15.0f);
        block->qs[i] = uchar(low | high << 4);
    }
}

// Writes the next sixteen of the `count` values that are left at p, of a dense type.
template <typename T>
METAL_FUNC void store_cached(device T* p, wide x, uint count)
{
    store_next(p, x, count);
}

METAL_FUNC void store_cached(device bfloat* p, wide x, uint count)
{
    for (uint i = 0; i < min(count, WIDE); ++i) {
        p[i] = bfloat(element(x, i));
    }
}

// Writes format<T>::values values to a row of T from value `first`, a multiple of them, on: those at `from`, of which `left` are left.
template <typename Block>
METAL_FUNC void put(device Block* row, uint first, device const float* from, uint)
{
    encode(row + first / format<Block>::values, from);
}

template <typename T>
METAL_FUNC void put_dense(device T* row, uint first, device const float* from, uint left)
{
    store_cached(row + first, load_next(from, left), left);
}

METAL_FUNC void put(device float* row, uint first, device const float* from, uint left) { put_dense(row, first, from, left); }
METAL_FUNC void put(device half* row, uint first, device const float* from, uint left) { put_dense(row, first, from, left); }
METAL_FUNC void put(device bfloat* row, uint first, device const float* from, uint left) { put_dense(row, first, from, left); }

}  // namespace mettle_kernels

// INSTANTIATE(name, element type) for every format of caches. A family's kernel for TurboQuant is in a file of its own, which defines
// METTLE_TURBO and includes the family's: it has function constants that others have not.
#ifdef METTLE_TURBO
#include <mettle/turbo.h>
#define METTLE_CACHE_FORMATS(INSTANTIATE) INSTANTIATE(turbo, uint)
#else
#define METTLE_CACHE_FORMATS(INSTANTIATE) \
    INSTANTIATE(f32, float)               \
    INSTANTIATE(f16, half)                \
    INSTANTIATE(bf16, bfloat)             \
    INSTANTIATE(q8_0, block_q8_0)         \
    INSTANTIATE(q4_0, block_q4_0)
#endif
