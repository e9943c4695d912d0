// Rows of caches that neighbouring lanes of a SIMD group read together, in vectors, and sums over such lanes.
//
// A SIMD group has whole rows of lanes: 8, 16 or 32 of them read one row of memory, the next ones the next row. What each lane has
// of several heads and keys is added up over its row of lanes in such a way that every lane gets a part of the sums.
#pragma once

#include <metal_stdlib>

#include <mettle/across.h>
#include <mettle/pages.h>
#include <mettle/row_vectors.h>

using namespace metal;

namespace mettle_kernels {

constant constexpr uint LANES = 32;

// Rows that a lane asks for at a time.
constant constexpr uint KEYS = 4;

// Vectors of a lane in a row, at most: of 256 floats. And the values in them, of any format.
constant constexpr uint MAX_VECTORS = 2;
constant constexpr uint MAX_VALUES = 8;

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
