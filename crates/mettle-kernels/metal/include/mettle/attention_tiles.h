// What attention by tiles does with a block of keys: scores, weights and sums in the registers of the lanes that have them.
#pragma once

#include <metal_stdlib>
#include <mettle/attention_partials.h>
#include <mettle/block_tiles.h>
#include <mettle/fragment_pairs.h>
#include <mettle/mask.h>
#include <mettle/memory.h>
#include <mettle/row_lanes.h>

using namespace metal;

// Values of a head: a multiple of FRAGMENT, at most MAX_HEAD_SIZE.
constant uint HEAD_SIZE [[function_constant(0)]];

// Keys of a block: 32 or 64.
constant uint BLOCK [[function_constant(1)]];

// Whether lanes keep their queries, of heads of MAX_KEPT values at most, rather than read them again for each block.
constant bool KEEP [[function_constant(2)]];

// Whether scores are capped smoothly.
constant bool SOFTCAP [[function_constant(3)]];

// Whether a mask is added to scores.
constant bool MASKED [[function_constant(4)]];

namespace mettle_kernels {

constant constexpr uint MAX_HEAD_SIZE = 256;
constant constexpr uint MAX_KEPT = 128;
constant constexpr uint MAX_BLOCK = 64;

// Fragments that are multiplied one after the other before their sum is added to others in float.
constant constexpr uint CHAIN = 4;

constant constexpr uint SIMD_GROUPS = 4;

// Rows of a threadgroup.
constant constexpr uint ROWS = SIMD_GROUPS * FRAGMENT;

// What weights, which are one at most, are multiplied by: halves reach to 2^16, and what is below 2^-24 is lost to them.
constant constexpr float LIFT = 32768.0f;

// Those of the 32 keys from `start` on that are among some, as bits.
METAL_FUNC uint among(Keys keys, uint start)
{
    const uint from = metal::min(metal::max(keys.first, start) - start, 32u);
    const uint to = metal::min(metal::max(keys.end, start) - start, 32u);
    const uint below_to = to == 32 ? ~0u : (1u << to) - 1;
    const uint below_from = from == 32 ? ~0u : (1u << from) - 1;
    return below_to & ~below_from;
}

// Those of the keys of a block that any row of the threadgroup sees. All lanes of a SIMD group call it, with two rows each.
METAL_FUNC uint2 seen_of_block(thread const Keys* any, uint start)
{
    const uint low = simd_or(among(any[0], start) | among(any[1], start));
    const uint high = BLOCK > 32 ? simd_or(among(any[0], start + 32) | among(any[1], start + 32)) : 0;
    return uint2(low, high);
}

// The queries of the rows that a lane has values of.
struct Queries {
    device const float* rows[ROWS_OF_LANE];
    float factors[ROWS_OF_LANE];  // powers of two that they are multiplied by
};

// The left operands of columns 16 f and on.
template <typename T>
METAL_FUNC void load_terms(thread matrix_fragment<T>* terms, thread const Queries& queries, uint f, uint lane)
{
#pragma unroll
    for (uint i = 0; i < PAIRS; ++i) {
        const uint column = f * FRAGMENT + fragment_pairs::column(lane, i);
        const float2 x = load_as<float2>(queries.rows[i % ROWS_OF_LANE] + column, 0);
        set_terms(terms, i, queries.factors[i % ROWS_OF_LANE] * x);
    }
}

// What a lane knows of its two rows.
struct State {
    float2 sums[MAX_HEAD_SIZE / FRAGMENT * PAIRS];
    float highest[ROWS_OF_LANE];  // score so far, a logarithm to base 2
    float total[ROWS_OF_LANE];    // of the weights that the lane has computed
    bool attended[ROWS_OF_LANE];  // whether there were keys
};

// What a mask adds to the scores of two rows, whose first values are at `first`.
struct Mask {
    device const uchar* values;
    uint kind;
    ulong first[ROWS_OF_LANE];
};

// Logarithms to base 2.
struct Scoring {
    float scales[ROWS_OF_LANE];  // of products; with a softcap, what they are to be for tanh
    float softcap;
};

// The products of queries and the keys of a block, one for each pair of a lane.
template <typename T>
METAL_FUNC void multiply_by_keys(
    thread float2* products, threadgroup const T* keys, thread const matrix_fragment<T>* kept, thread const Queries& queries,
    uint lane)
{
    constexpr uint terms = Terms<T>::count;
    const uint parts = HEAD_SIZE / FRAGMENT;
    sum_fragment low[MAX_BLOCK / FRAGMENT];
#pragma unroll
    for (uint n = 0; n < BLOCK / FRAGMENT; ++n) {
        clear(low[n]);
    }
#pragma unroll
    for (uint i = 0; i < BLOCK / FRAGMENT * PAIRS; ++i) {
        products[i] = float2(0.0f);
    }
#pragma unroll
    for (uint begin_of_chain = 0; begin_of_chain < parts; begin_of_chain += CHAIN) {
        sum_fragment high[MAX_BLOCK / FRAGMENT];
#pragma unroll
        for (uint n = 0; n < BLOCK / FRAGMENT; ++n) {
            clear(high[n]);
        }
#pragma unroll
        for (uint f = begin_of_chain; f < metal::min(begin_of_chain + CHAIN, parts); ++f) {
            matrix_fragment<T> left[terms];
            if (KEEP) {
#pragma unroll
                for (uint t = 0; t < terms; ++t) {
                    left[t] = kept[f * terms + t];
                }
            } else {
                load_terms<T>(left, queries, f, lane);
            }
#pragma unroll
            for (uint n = 0; n < BLOCK / FRAGMENT; ++n) {
                matrix_fragment<T> right;
                load_right(right, keys + f / 2 * BLOCK * TILE_DEPTH, BLOCK, n * FRAGMENT, f % 2 * 2);
                multiply_terms<T>(high[n], low[n], left, right);
            }
        }
#pragma unroll
        for (uint i = 0; i < BLOCK / FRAGMENT * PAIRS; ++i) {
            products[i] += fragment_pairs::get(high[i / PAIRS], i % PAIRS);
        }
    }
#pragma unroll
    for (uint i = 0; i < BLOCK / FRAGMENT * PAIRS; ++i) {
        products[i] += fragment_pairs::get(low[i / PAIRS], i % PAIRS);
    }
}

// Makes weights of the products of a block that begins with key `start`, in their place, from the keys that rows see; `added` is what the mask
// adds. What sums so far are to be multiplied by is `corrections`.
METAL_FUNC void weigh(
    thread float2* products, thread const float2* added, thread const Keys* keys, uint start, bool whole, Scoring scoring,
    thread State& state, thread float* corrections, uint lane)
{
    float highest[ROWS_OF_LANE] = {state.highest[0], state.highest[1]};
#pragma unroll
    for (uint i = 0; i < BLOCK / FRAGMENT * PAIRS; ++i) {
        const uint b = i % ROWS_OF_LANE;
        float2 scores = scoring.scales[b] * products[i];
        if (SOFTCAP) {
            scores = scoring.softcap * float2(precise::tanh(scores.x), precise::tanh(scores.y));
        }
        if (MASKED) {
            // Even of an infinite score.
            scores.x = added[i].x == -INFINITY ? -INFINITY : scores.x + M_LOG2E_F * added[i].x;
            scores.y = added[i].y == -INFINITY ? -INFINITY : scores.y + M_LOG2E_F * added[i].y;
        } else if (!whole) {
            // Capped, the minus infinity of others would have weight.
            const uint key = start + i / PAIRS * FRAGMENT + fragment_pairs::column(lane, i % PAIRS);
            scores.x = key >= keys[b].first && key < keys[b].end ? scores.x : -INFINITY;
            scores.y = key + 1 >= keys[b].first && key + 1 < keys[b].end ? scores.y : -INFINITY;
        }
        products[i] = scores;
        highest[b] = metal::max(highest[b], metal::max(scores.x, scores.y));
    }
#pragma unroll
    for (uint b = 0; b < ROWS_OF_LANE; ++b) {
        highest[b] = max_of_row(highest[b]);
        corrections[b] = fast::exp2(state.highest[b] - highest[b]);
        state.highest[b] = highest[b];
        state.total[b] *= corrections[b];
    }
#pragma unroll
    for (uint i = 0; i < BLOCK / FRAGMENT * PAIRS; ++i) {
        const uint b = i % ROWS_OF_LANE;
        const float2 weights = LIFT * float2(fast::exp2(products[i].x - highest[b]), fast::exp2(products[i].y - highest[b]));
        state.total[b] += weights.x + weights.y;
        products[i] = weights;
    }
}

// Adds the values of a block, each as often as its weight says, to the sums corrected.
template <typename T>
METAL_FUNC void add_values(
    thread State& state, threadgroup const T* values, thread const float2* weights, thread const float* corrections)
{
    constexpr uint terms = Terms<T>::count;
    matrix_fragment<T> left[MAX_BLOCK / FRAGMENT * terms];
#pragma unroll
    for (uint i = 0; i < BLOCK / FRAGMENT * PAIRS; ++i) {
        set_terms(left + i / PAIRS * terms, i % PAIRS, weights[i]);
    }
#pragma unroll
    for (uint f = 0; f < HEAD_SIZE / FRAGMENT; ++f) {
        sum_fragment high;
        sum_fragment low;
        clear(high);
        clear(low);
#pragma unroll
        for (uint n = 0; n < BLOCK / FRAGMENT; ++n) {
            matrix_fragment<T> right;
            load_right_by_rows(right, values + f / 2 * BLOCK * TILE_DEPTH, BLOCK, n * FRAGMENT, f % 2 * 2);
            multiply_terms<T>(high, low, left + n * terms, right);
        }
#pragma unroll
        for (uint i = 0; i < PAIRS; ++i) {
            thread float2& sum = state.sums[f * PAIRS + i];
            const float2 of_block = fragment_pairs::get(high, i) + fragment_pairs::get(low, i);
            sum = metal::fma(sum, float2(corrections[i % ROWS_OF_LANE]), of_block);
        }
    }
}

// Writes what the mask adds to the products of a block, minus infinity for keys that rows do not see; whether any counts.
METAL_FUNC bool load_mask(
    thread float2* added, thread const Mask& mask, thread const Keys* keys, uint start, uint lane)
{
    bool counts = false;
#pragma unroll
    for (uint i = 0; i < BLOCK / FRAGMENT * PAIRS; ++i) {
        const uint b = i % ROWS_OF_LANE;
        const uint key = start + i / PAIRS * FRAGMENT + fragment_pairs::column(lane, i % PAIRS);
#pragma unroll
        for (uint e = 0; e < 2; ++e) {
            const bool visible = key + e >= keys[b].first && key + e < keys[b].end;
            added[i][e] = visible ? mask_value(mask.values, mask.kind, mask.first[b] + key + e) : -INFINITY;
            counts = counts || added[i][e] != -INFINITY;
        }
    }
    return counts;
}

}  // namespace mettle_kernels
