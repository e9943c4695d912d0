// Causal attention of many tokens on GPUs, by products of matrices.
//
// A threadgroup computes 64 rows, one for each token and query head of a key-value head, sixteen a SIMD group, so that the heads
// that share keys and values share what is staged of them. It goes through blocks of keys: scores are products of queries and
// keys, and weights, as soon as they are known, the left operand of products with values. Scores, weights and sums never leave
// the registers of the lanes that have them, and the softmax is computed online, in powers of two (Milakov and Gimelshein,
// "Online normalizer calculation for softmax", 2018; Dao, "FlashAttention-2", 2023). Only keys and values are in threadgroup
// memory, and the ones are copied there while the others are multiplied. Blocks that no row sees are skipped.
//
// Products are of 16-bit numbers. Keys and values are such as they are; queries and weights become sums of two halves, or of
// bfloats: of two halves, 22 bits, with a cache of f16, where powers of two keep them in the range of halves, and of three bfloats, 24 bits,
// with one of bf16.
// Tensor cores truncate sums. What they lose so does not add up: products with the first terms, and those with others, which are a
// two-thousandth of them, have sums of their own, and those of every 64 values of a head and of each block of keys are added up in float.

#include <metal_stdlib>
#include <mettle/fragment_pairs.h>
#include <mettle/launches.h>
#include <mettle/mask.h>

#include "mettle/attention_partials.h"
#include "mettle/block_tiles.h"
#include "mettle/memory.h"

using namespace metal;
using namespace mettle_kernels;

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

#pragma mettle variant(gpu: attention_tiles_*, HEAD_SIZE = 64, BLOCK = 64, KEEP = true, SOFTCAP = false, MASKED = false, PAGED = false)
#pragma mettle variant(gpu: attention_tiles_*, HEAD_SIZE = 128, BLOCK = 32, KEEP = true, SOFTCAP = false, MASKED = false, PAGED = false)
#pragma mettle variant(gpu: attention_tiles_f16, HEAD_SIZE = 128, BLOCK = 32, KEEP = true, SOFTCAP = false, MASKED = true, PAGED = false)
#pragma mettle variant(gpu: attention_tiles_f16, HEAD_SIZE = 256, BLOCK = 32, KEEP = false, SOFTCAP = false, MASKED = false, PAGED = false)

constant constexpr uint MAX_HEAD_SIZE = 256;
constant constexpr uint MAX_KEPT = 128;
constant constexpr uint MAX_BLOCK = 64;

// Fragments that are multiplied one after the other before their sum is added to others in float.
constant constexpr uint CHAIN = 4;

constant constexpr uint SIMD_GROUPS = 4;

// Rows of a threadgroup.
constant constexpr uint ROWS = SIMD_GROUPS * FRAGMENT;

struct Params {
    uint heads;       // of the queries
    uint kv_heads;    // query head h reads key and value head h / group
    uint group;       // heads / kv_heads, which is whole
    uint capacity;    // rows of the caches; if PAGED, those that a page table has room for
    uint ring;        // rows of the ring that the caches are, all of them, behind a window; 0: the token at a position has row position
    uint window;      // keys that a query sees, its own included; 0: all
    uint mask;        // what it consists of, if MASKED: one of the kinds of mask.h
    uint mask_step;   // if MASKED: rows of the mask from one head to the next, 0 where all have the same
    uint sequences;   // if PAGED: how many page tables there are
    uint pages;       // if PAGED: pages of a table
    uint page_shift;  // if PAGED: a page has 2^page_shift rows
    uint tokens;      // times `group` less than 2^32
    uint splits;      // threadgroups that share the keys of a row
    uint sinks;       // whether each head has one; with one split
    float scale;      // of the scores, usually 1 / sqrt(HEAD_SIZE)
    float softcap;    // that scores stay below, if SOFTCAP
};

// What the highest score is before there is any: weights of minus infinity are zero against it, and not the difference of infinities.
constant constexpr float LOWEST = -FLT_MAX;

// What weights, which are one at most, are multiplied by: halves reach to 2^16, and what is below 2^-24 is lost to them.
constant constexpr float LIFT = 32768.0f;

// A row, and the keys that it sees.
struct Row {
    uint token;
    uint head;  // of those that share the key-value head
    uint sequence;
    Keys keys;
};

// Row `index` of a key-value head. Rows beyond the last, and those whose position lies outside the cache, see no keys.
static Row row_at(
    uint index, constant Params& params, device const int* positions, device const uint* tables,
    device const uint* sequence_of)
{
    Row row = {index / params.group, index % params.group, 0, {0, 0}};
    if (row.token >= params.tokens) {
        return row;
    }
    uint capacity = params.capacity;
    const Places places =
        places_of(tables, sequence_of, row.token, params.sequences, params.pages, params.page_shift, params.ring, capacity);
    row.sequence = PAGED ? sequence_of[row.token] : 0;
    const int position = positions[row.token];
    if (places.has(position, capacity)) {
        row.keys = places.visible(uint(position), params.window);
    }
    return row;
}

// Those of the 32 keys from `start` on that are among some, as bits.
METAL_FUNC uint among(Keys keys, uint start)
{
    const uint from = min(max(keys.first, start) - start, 32u);
    const uint to = min(max(keys.end, start) - start, 32u);
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

// A power of two that brings numbers up to x to between 2^13 and 2^14, as far as floats reach; one for what is no number.
METAL_FUNC float factor_of(float x)
{
    const uint exponent = as_type<uint>(x) >> 23 & 0xff;
    if (exponent == 0xff) {
        return 1.0f;
    }
    return as_type<float>((127 + 13 + 127 - max(exponent, 32u)) << 23);
}

METAL_FUNC void store_two(device float* p, float2 x) { *reinterpret_cast<device float2*>(p) = x; }

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
        for (uint f = begin_of_chain; f < min(begin_of_chain + CHAIN, parts); ++f) {
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
        highest[b] = max(highest[b], max(scores.x, scores.y));
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
            sum = fma(sum, float2(corrections[i % ROWS_OF_LANE]), of_block);
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

// out[t, h, :] = sum over visible keys j of softmax_j(capped(scale * q[t, h, :] . k[j, h', :])) * v[j, h', :] with
// h' = h / group, and capped(x) = softcap * tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 <= positions[t] - j, and positions[t] - j < window
// unless the window is 0. With sinks, exp(sinks[h]) is added to the denominator of the softmax, as in attention.metal. q and out are [tokens, heads, HEAD_SIZE], k and v are [capacity, kv_heads, HEAD_SIZE], all
// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN. Keys and values may be in a ring, or lie in pages of a pool if PAGED, as in attention.metal.
//
// If MASKED, row h * mask_step + t of mask, [rows, capacity], is added to the capped scores, and where it leaves no key, out is zero.
//
// Keys and values that no token of a threadgroup sees may be anything. Others are finite: infinite ones, and values that are NaN, make NaN of
// what tokens of their threadgroup get, whether these see them or not.
//
// With one split `out` is written; with more, the result for each split goes to partial, as attention_partials.h describes it, for
// attention_merge to write out. A row gets the same bits whatever other rows there are: blocks begin at multiples of BLOCK.
//
// The grid is [kv_heads, ceil(tokens * group / ROWS), splits] threadgroups of 4 SIMD groups; tiles are 4 * BLOCK * HEAD_SIZE bytes, with HEAD_SIZE
// rounded up to a multiple of TILE_DEPTH.
template <typename T>
[[kernel, max_total_threads_per_threadgroup(128)]] void attention_tiles(
    device const float*  q           [[buffer(0)]],
    device const T*      k           [[buffer(1)]],
    device const T*      v           [[buffer(2)]],
    device const int*    positions   [[buffer(3)]],
    device float*        partial     [[buffer(4)]],
    device float*        out         [[buffer(5)]],
    constant Params&     params      [[buffer(6)]],
    device const float*  sinks       [[buffer(7)]],
    device const uchar*  mask        [[buffer(8)]],
    device const uint*   tables      [[buffer(9)]],
    device const uint*   sequence_of [[buffer(10)]],
    threadgroup ushort*  tiles       [[threadgroup(0)]],
    uint3 group_position [[threadgroup_position_in_grid]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  lane           [[thread_index_in_simdgroup]],
    uint  simd_group     [[simdgroup_index_in_threadgroup]])
{
    let_next_launch_begin();
    constexpr uint terms = Terms<T>::count;
    const uint parts = HEAD_SIZE / FRAGMENT;
    threadgroup ushort* k_tiles = tiles;
    threadgroup ushort* v_tiles = tiles + values_of_tiles(BLOCK, HEAD_SIZE);
    threadgroup const T* keys = reinterpret_cast<threadgroup const T*>(k_tiles);
    threadgroup const T* values = reinterpret_cast<threadgroup const T*>(v_tiles);

    // The last rows, which see most keys, come first.
    const uint first_row = ((params.tokens * params.group - 1) / ROWS - group_position.y) * ROWS;
    const uint kv_head = group_position.x;
    const ulong stride = ulong(params.kv_heads) * HEAD_SIZE;
    device const ushort* key_rows = reinterpret_cast<device const ushort*>(k + kv_head * HEAD_SIZE);
    device const ushort* value_rows = reinterpret_cast<device const ushort*>(v + kv_head * HEAD_SIZE);

    // The rows that a lane has values of, and two of all, so that each SIMD group knows what the threadgroup goes through.
    Row own[ROWS_OF_LANE];
    Row any[ROWS_OF_LANE];
    bool pending[ROWS_OF_LANE];
    Queries queries;
    Mask masking = {mask, params.mask, {0, 0}};
#pragma unroll
    for (uint b = 0; b < ROWS_OF_LANE; ++b) {
        const uint of_group = simd_group * FRAGMENT + fragment_pairs::row(lane, b);
        own[b] = row_at(first_row + of_group, params, positions, tables, sequence_of);
        any[b] = row_at(first_row + b * LANES + lane, params, positions, tables, sequence_of);
        pending[b] = any[b].keys.first < any[b].keys.end;
        // Rows beyond the last token have its queries, and are not written.
        const uint token = min(own[b].token, params.tokens - 1);
        const uint head = kv_head * params.group + own[b].head;
        queries.rows[b] = q + (ulong(token) * params.heads + head) * HEAD_SIZE;
        masking.first[b] = (ulong(head) * params.mask_step + token) * params.capacity;
    }
    Scoring scoring;
    scoring.softcap = SOFTCAP ? M_LOG2E_F * params.softcap : 0.0f;
#pragma unroll
    for (uint b = 0; b < ROWS_OF_LANE; ++b) {
        float largest = 0.0f;
#pragma unroll
        for (uint i = b; i < parts * PAIRS; i += ROWS_OF_LANE) {
            const uint column = i / PAIRS * FRAGMENT + fragment_pairs::column(lane, i % PAIRS);
            const float2 x = fabs(load_as<float2>(queries.rows[b] + column, 0));
            largest = max(largest, max(x.x, x.y));
        }
        const float factor = factor_of(max_of_row(largest));
        queries.factors[b] = factor;
        scoring.scales[b] = (SOFTCAP ? params.scale / params.softcap : M_LOG2E_F * params.scale) * (1.0f / factor);
    }
    matrix_fragment<T> kept[MAX_KEPT / FRAGMENT * terms];
    if (KEEP) {
#pragma unroll
        for (uint f = 0; f < parts; ++f) {
            load_terms<T>(kept + f * terms, queries, f, lane);
        }
    }

    State state = {};
    state.highest[0] = LOWEST;
    state.highest[1] = LOWEST;
    typedef BlockTiles<SIMD_GROUPS * LANES, MAX_BLOCK * MAX_KEPT> Tiles;
    Tiles copies = {BLOCK, HEAD_SIZE};
    // Once, or for each sequence of the threadgroup's tokens.
    while (true) {
        const uint next_row = simd_min(pending[0] ? lane : pending[1] ? LANES + lane : ROWS);
        if (next_row == ROWS) {
            break;
        }
        const uint token = (first_row + next_row) / params.group;
        const uint sequence = PAGED ? sequence_of[token] : 0;
        uint capacity = params.capacity;
        const Places places =
            places_of(tables, sequence_of, token, params.sequences, params.pages, params.page_shift, params.ring, capacity);
        Keys of_own[ROWS_OF_LANE];
        Keys of_any[ROWS_OF_LANE];
#pragma unroll
        for (uint b = 0; b < ROWS_OF_LANE; ++b) {
            const bool now = pending[b] && any[b].sequence == sequence;
            pending[b] = pending[b] && !now;
            of_any[b] = now ? any[b].keys : Keys{~0u, 0};
            of_own[b] = own[b].sequence == sequence ? own[b].keys : Keys{0, 0};
        }
        const uint begin = simd_min(min(of_any[0].first, of_any[1].first)) / BLOCK;
        const uint end = (simd_max(max(of_any[0].end, of_any[1].end)) + BLOCK - 1) / BLOCK;
        // The first block that is a multiple of the number of splits before or behind this one's.
        uint block = begin + (group_position.z + params.splits - begin % params.splits) % params.splits;

        uint2 seen = seen_of_block(of_any, block * BLOCK);
        if (block < end) {
            copies.fetch(k_tiles, key_rows, places, stride, block * BLOCK, seen, index);
        }
        for (; block < end; block += params.splits) {
            const uint start = block * BLOCK;
            copies.put(k_tiles, index);
            copies.fetch(v_tiles, value_rows, places, stride, start, seen, index);

            bool sees_some = false;
            bool sees_all = true;
#pragma unroll
            for (uint b = 0; b < ROWS_OF_LANE; ++b) {
                const bool sees = of_own[b].first < start + BLOCK && of_own[b].end > start;
                state.attended[b] = state.attended[b] || sees;
                sees_some = sees_some || sees;
                sees_all = sees_all && of_own[b].first <= start && of_own[b].end >= start + BLOCK;
            }
            const bool some = simd_any(sees_some);
            const bool whole = simd_all(sees_all);
            float2 added[MAX_BLOCK / FRAGMENT * PAIRS];
            float2 weights[MAX_BLOCK / FRAGMENT * PAIRS];
            float corrections[ROWS_OF_LANE];
            const bool counts = MASKED && some ? simd_any(load_mask(added, masking, of_own, start, lane)) : some;
            if (counts) {
                multiply_by_keys<T>(weights, keys, kept, queries, lane);
                weigh(weights, added, of_own, start, whole, scoring, state, corrections, lane);
            }

            copies.put(v_tiles, index);
            const uint next = block + params.splits;
            if (next < end) {
                seen = seen_of_block(of_any, next * BLOCK);
                copies.fetch(k_tiles, key_rows, places, stride, next * BLOCK, seen, index);
            }
            if (counts) {
                add_values<T>(state, values, weights, corrections);
            }
        }
    }

#pragma unroll
    for (uint b = 0; b < ROWS_OF_LANE; ++b) {
        float sum_of_weights = sum_of_row(state.total[b]) / LIFT;
        if (own[b].token >= params.tokens) {
            continue;
        }
        const uint head = kv_head * params.group + own[b].head;
        float highest = state.highest[b];
        float factor = 1.0f / LIFT;
        const ulong place = ulong(own[b].token) * params.heads + head;
        device float* to = out + place * HEAD_SIZE;
        if (params.splits == 1) {
            // Splits meet without it, and it joins them where they do.
            if (params.sinks != 0) {
                const float sink = M_LOG2E_F * sinks[head];
                const float before = highest;
                highest = max(highest, sink);
                const float correction = precise::exp2(before - highest);
                factor *= correction;
                sum_of_weights = fma(sum_of_weights, correction, precise::exp2(sink - highest));
            }
            // Where a mask leaves nothing, the sums are zero, too.
            const float divisor = MASKED && sum_of_weights == 0.0f ? 1.0f : sum_of_weights;
            factor = state.attended[b] ? factor / divisor : NAN;
        } else {
            to = partial + partial_at(place, params.splits, group_position.z, HEAD_SIZE);
            if (fragment_pairs::column(lane, b) == 0) {
                store_two(to, float2(state.attended[b] ? highest : -INFINITY, sum_of_weights));
            }
            to += PARTIAL_HEADER;
        }
#pragma unroll
        for (uint i = b; i < parts * PAIRS; i += ROWS_OF_LANE) {
            store_two(to + i / PAIRS * FRAGMENT + fragment_pairs::column(lane, i % PAIRS), factor * state.sums[i]);
        }
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("attention_tiles_" #name)]] [[kernel]] decltype(attention_tiles<type>) attention_tiles<type>;
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
