// Rows of caches that neighbouring lanes of a SIMD group read together, in vectors, and sums over such lanes.
//
// A SIMD group has whole rows of lanes: 8, 16 or 32 of them read one row of memory, the next ones the next row. What each lane has
// of several heads and keys is added up over its row of lanes in such a way that every lane gets a part of the sums.
#pragma once

#include <metal_stdlib>

#include <mettle/across.h>
#include <mettle/kv_rows.h>
#include <mettle/pages.h>

using namespace metal;

namespace mettle_kernels {

constant constexpr uint LANES = 32;

// Rows that a lane asks for at a time.
constant constexpr uint KEYS = 4;

// Vectors of a lane in a row, at most: of 256 floats. And the values in them, of any format.
constant constexpr uint MAX_VECTORS = 2;
constant constexpr uint MAX_VALUES = 8;

// Neighbouring values of a row, as they lie in memory: nothing waits for them before value() does. `load(from, row, i)` asks for vector i
// of the row that begins `row` vectors behind `from`. Of dense types it is sixteen bytes. Where values are codes, `load_levels` brings
// what they stand for to threadgroup memory; others have no `levels`, and the room of one.
template <typename T>
struct Vector;

struct without_levels {
    static constant constexpr uint levels = 1;
    static METAL_FUNC void load_levels(threadgroup float*, uint, uint) {}
};

template <typename T>
struct dense_vector : without_levels {
    uint4 bits;
    METAL_FUNC void load(device const T* from, uint row, uint i) { bits = load_as<uint4>(from, row + i); }
};

template <>
struct Vector<float> : dense_vector<float> {
    static constant constexpr uint values = 4;
    METAL_FUNC float value(uint i, threadgroup const float*) const { return as_type<float>(bits[i]); }
};

template <>
struct Vector<half> : dense_vector<half> {
    static constant constexpr uint values = 8;
    METAL_FUNC float value(uint i, threadgroup const float*) const { return float(as_type<half2>(bits[i / 2])[i % 2]); }
};

template <>
struct Vector<bfloat> : dense_vector<bfloat> {
    static constant constexpr uint values = 8;
    METAL_FUNC float value(uint i, threadgroup const float*) const
    {
        const uint pair = bits[i / 2];
        return as_type<float>(i % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
    }
};

// A quarter of a block: eight bytes, of which each value has its own, or a half that `shift` brings to the lower end.
template <typename Block>
struct block_vector : without_levels {
    static constant constexpr uint values = 8;
    static constant constexpr uint of_block = format<Block>::values / values;
    ushort codes[4];
    half d;

    METAL_FUNC void load_codes(device const Block* block, uint eight)
    {
        // Blocks are aligned to two bytes.
#pragma unroll
        for (uint i = 0; i < 4; ++i) {
            codes[i] = load_as<ushort>(block->qs, 4 * eight + i);
        }
        d = block->d;
    }

    // Byte i, to which `bias` is added, as a float.
    METAL_FUNC float scaled(uint word, uint i, float bias) const
    {
        return float(d) * (as_type<float>(bytes_in_floats(word)[i % 4]) - (8388608.0f + bias));
    }

    METAL_FUNC uint word(uint i) const { return uint(codes[i / 4 * 2]) | uint(codes[i / 4 * 2 + 1]) << 16; }
};

template <>
struct Vector<block_q8_0> : block_vector<block_q8_0> {
    METAL_FUNC void load(device const block_q8_0* from, uint row, uint i)
    {
        load_codes(from + row / of_block + i / of_block, i % of_block);
    }

    // The upper bit inverted adds 128 to each byte.
    METAL_FUNC float value(uint i, threadgroup const float*) const { return scaled(word(i) ^ 0x80808080u, i, 128.0f); }
};

template <>
struct Vector<block_q4_0> : block_vector<block_q4_0> {
    uint shift;

    METAL_FUNC void load(device const block_q4_0* from, uint row, uint i)
    {
        shift = i % of_block / 2 * 4;
        load_codes(from + row / of_block + i / of_block, i % 2);
    }

    METAL_FUNC float value(uint i, threadgroup const float*) const { return scaled(word(i) >> shift & 0x0f0f0f0fu, i, 8.0f); }
};

// How a SIMD group reads rows: `row` neighbouring lanes read one together, each `vectors` vectors of it.
struct Spread {
    uint row;
    uint vectors;
};

// For rows of `size` values of T: at least eight vectors.
template <typename T>
METAL_FUNC Spread spread(uint size)
{
    const uint n = size / Vector<T>::values;
    return Spread{n > 16 ? 32u : n > 8 ? 16u : 8u, (n + LANES - 1) / LANES};
}

// Which vector of a row of `size` values is a lane's i-th. Lanes without any have the first one, too.
template <typename T>
METAL_FUNC uint vector_of(uint i, uint size, uint lane)
{
    const uint row = spread<T>(size).row;
    const uint vector = lane % row + i * row;
    return vector < size / Vector<T>::values ? vector : 0;
}

// What a lane has of KEYS rows.
template <typename T>
struct Rows {
    Vector<T> vectors[KEYS * MAX_VECTORS];
};

// Asks for rows of `size` values from `first` on, each row of lanes for another one, and KEYS times the next ones. For those beyond
// `last` it is row `last` again. They lie at their `places`; `from` is where row 0 begins, `stride` vectors before the next; memory has less than
// 2^32 vectors.
template <typename T>
METAL_FUNC Rows<T> load_rows(
    device const T* from, Places places, uint stride, uint first, uint last, uint size, uint lane)
{
    const Spread lanes = spread<T>(size);
    const uint rows = LANES / lanes.row;
    Rows<T> loaded;
#pragma unroll
    for (uint j = 0; j < KEYS; ++j) {
        const uint at = places.row(min(first + j * rows + lane / lanes.row, last)) * stride;
#pragma unroll
        for (uint i = 0; i < lanes.vectors; ++i) {
            loaded.vectors[j * MAX_VECTORS + i].load(from, at, vector_of<T>(i, size, lane));
        }
    }
    return loaded;
}

// The head that a lane has a part of, when the lanes of a row are shared out among so many heads in order.
METAL_FUNC uint head_of_lane(uint row, uint heads, uint lane) { return lane % row / (row / heads); }

// The largest x of the lanes that have the same head.
METAL_FUNC float max_of_head(float x, uint row, uint heads)
{
#pragma unroll
    for (uint offset = 1; offset < LANES; offset *= 2) {
        if (offset < row / heads || offset >= row) {
            x = metal::max(x, across(x, offset));
        }
    }
    return x;
}

// The sum of x over the lanes that have the same head.
METAL_FUNC float sum_of_head(float x, uint row, uint heads)
{
#pragma unroll
    for (uint offset = 1; offset < LANES; offset *= 2) {
        if (offset < row / heads || offset >= row) {
            x += across(x, offset);
        }
    }
    return x;
}

// Lanes whose numbers differ by `offset` exchange: the lower gets the sum of both `low`, the upper that of both `high`.
template <typename V>
METAL_FUNC V exchange(V low, V high, uint offset, uint lane)
{
    const bool upper = (lane & offset) != 0;
    const V kept = upper ? high : low;
    const V given = upper ? low : high;
    return kept + across(given, offset);
}

// Adds up each of x[h][j], for key j of head h, over each row of lanes. Instead of all sums every lane gets its share, in
// the order of the lanes: lanes exchange halves of what they have, then quarters, until one sum is left, of which the lanes
// that are too many have copies. Only rows of eight lanes have two left, for four heads. There are 1, 2 or 4 heads.
METAL_FUNC float2 sum_rows(thread const float4* x, uint row, uint heads, uint lane)
{
    uint offset = row / 2;
    float4 keys = x[0];
    if (heads == 4) {
        const float4 first = exchange(x[0], x[2], offset, lane);
        const float4 second = exchange(x[1], x[3], offset, lane);
        offset /= 2;
        keys = exchange(first, second, offset, lane);
        offset /= 2;
    } else if (heads == 2) {
        keys = exchange(x[0], x[1], offset, lane);
        offset /= 2;
    }
    const float2 two = exchange(keys.xy, keys.zw, offset, lane);
    offset /= 2;
    if (offset == 0) {
        return two;
    }
    float sum = exchange(two.x, two.y, offset, lane);
#pragma unroll
    for (uint copies = 1; copies < 8; copies *= 2) {
        if (copies < offset) {
            sum += across(sum, copies);
        }
    }
    return float2(sum, 0.0f);
}

}  // namespace mettle_kernels

#ifdef METTLE_TURBO
#include <mettle/turbo_lanes.h>
#endif
