// Causal attention on GPUs, where the query heads of a key-value head share what is read of the cache.
//
// A SIMD group computes HEADS query heads of one token. It reads rows of the cache sixteen bytes a lane, so that a few
// neighbouring lanes read a row together, and has KEYS rows of keys or of values on their way for each of them at any
// time: the next keys are asked for while values are added up. The softmax is computed online (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018), in powers of two.
//
// Few tokens: the keys of a token are dealt out to threadgroups, and to the SIMD groups of each, a step at a time. So what a
// SIMD group begins with does not depend on where the token is, and is asked for before that is known. The results of
// threadgroups meet in a second launch, and not in the last threadgroup to finish, since Metal before 3.2 does not order
// memory between threadgroups. Many tokens: each SIMD group has a token of its own and goes through all keys; those of a
// threadgroup go through the same ones at about the same time, so that caches serve all but the first.

#include <metal_stdlib>
#include <mettle/launches.h>

#include "mettle/attention_partials.h"
#include "mettle/memory.h"
#include "mettle/row_lanes.h"

using namespace metal;
using namespace mettle_kernels;

// Values of a head: whole vectors of sixteen bytes, at least eight, at most MAX_HEAD_SIZE values.
constant uint HEAD_SIZE [[function_constant(0)]];

// Query heads of a SIMD group: 1, 2 or 4.
constant uint HEADS [[function_constant(1)]];

// Whether scores are capped smoothly.
constant bool SOFTCAP [[function_constant(2)]];

// Whether each head has a sink: a score of its own in the denominator of the softmax that no value belongs to.
constant bool SINKS [[function_constant(3)]];

#ifndef METTLE_TURBO
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 64, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 64, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 64, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_f*, HEAD_SIZE = 80, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_f*, HEAD_SIZE = 96, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 128, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 128, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_f16, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = true)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 256, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 256, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_f*, HEAD_SIZE = 256, HEADS = 2, SOFTCAP = true, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 256, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#endif

constant constexpr uint MAX_HEAD_SIZE = 256;
constant constexpr uint MAX_HEADS = 4;
constant constexpr uint MAX_SIMD_GROUPS = 4;

// Floats of a SIMD group in threadgroup memory, at most: its queries while it attends, then the sums of its rows of lanes. That is
// four heads of 256, or of 128 in two rows of lanes, or of 64 in four.
constant constexpr uint SCRATCH = 1024;

struct Params {
    uint heads;       // of the queries
    uint kv_heads;    // query head h reads key and value head h / group
    uint group;       // heads / kv_heads, which is whole
    uint capacity;    // rows of the caches; if PAGED, those that a page table has room for
    uint ring;        // rows of the ring that the caches are, all of them, behind a window; 0: the token at a position has row position
    uint window;      // keys that a query sees, its own included; 0: all
    uint sequences;   // if PAGED: how many page tables there are
    uint pages;       // if PAGED: pages of a table
    uint page_shift;  // if PAGED: a page has 2^page_shift rows
    uint tokens;
    uint splits;      // of the keys of a token
    uint token_each;  // whether each SIMD group has a token of its own; there is one split then
    float scale;      // of the scores, usually 1 / sqrt(HEAD_SIZE)
    float softcap;    // that scores stay below, if SOFTCAP
};

// What makes scores, logarithms to base 2, of products. With a softcap, `scale` is of what tanh takes.
struct Scoring {
    float scale;
    float softcap;
};

METAL_FUNC Scoring scoring_of(constant Params& params)
{
    if (SOFTCAP) {
        return Scoring{params.scale / params.softcap, M_LOG2E_F * params.softcap};
    }
    return Scoring{M_LOG2E_F * params.scale, 0.0f};
}

// Only of keys that the query sees: capping the minus infinity of others would give them weight.
METAL_FUNC float score_of(float product, Scoring scoring)
{
    const float score = scoring.scale * product;
    return SOFTCAP ? scoring.softcap * precise::tanh(score) : score;
}

// None for a position outside the cache.
static Keys visible(int position, Places places, uint capacity, uint window)
{
    return places.has(position, capacity) ? places.visible(uint(position), window) : Keys{0, 0};
}

// How much higher a score may be than the one that weights are relative to, as a logarithm to base 2.
constant constexpr float SLACK = 8.0f;

// What a SIMD group knows so far. A lane has sums over the keys that its row of lanes reads, of the columns that it
// reads, for each head; and of the softmax what belongs to one head, the same for a part of each row of lanes.
struct State {
    float sums[MAX_HEADS * MAX_VALUES];
    float highest;  // the score that weights are relative to, a logarithm to base 2; the highest is SLACK more at most
    float total;    // of the weights that the lane has computed
};

// The place of four queries: of head h, for part e of the vectors i of all lanes of a row, which lie side by side.
template <typename T>
METAL_FUNC uint queries_at(uint h, uint i, uint e, uint lane)
{
    const Spread lanes = spread<T>(HEAD_SIZE);
    return ((h * lanes.vectors + i) * (Vector<T>::values / 4) + e) * lanes.row + lane % lanes.row;
}

// Puts the queries where `queries_at` says. q is the first head of the token, `last_head` the last that there is behind it: those
// beyond it are as it is.
template <typename T>
METAL_FUNC void load_queries(threadgroup float4* queries, device const float* q, uint last_head, uint lane)
{
    const Spread lanes = spread<T>(HEAD_SIZE);
    const uint rows = LANES / lanes.row;
    // Rows of lanes take turns.
#pragma unroll
    for (uint n = 0; n < (HEADS * lanes.vectors + rows - 1) / rows; ++n) {
        const uint hi = n * rows + lane / lanes.row;
        const uint h = hi / lanes.vectors;
        const uint i = hi % lanes.vectors;
        if (h >= HEADS) {
            break;
        }
        const uint column = (lane % lanes.row + i * lanes.row) * Vector<T>::values;
#pragma unroll
        for (uint e = 0; e < Vector<T>::values / 4; ++e) {
            queries[queries_at<T>(h, i, e, lane)] = column < HEAD_SIZE
                ? load_as<float4>(q + min(h, last_head) * HEAD_SIZE + column, e)
                : float4(0.0f);
        }
    }
}

// Attends to the keys begin, begin + 1, ... of those before `end` in steps: as many as the SIMD group reads at a time, then
// again `step` further. `keys` and `key_values` are the first ones, or on their way. `weights` is the SIMD group's own: KEYS for
// each row and head. `levels` is what codes stand for, if rows are of such.
template <typename T>
METAL_FUNC State attend(
    Rows<T> keys, device const T* k, device const T* v, Places places, uint stride, threadgroup const float4* queries,
    Scoring scoring, uint begin, uint end, uint step, uint lane, threadgroup float4* weights,
    threadgroup const float* levels)
{
    constexpr uint values = Vector<T>::values;
    const Spread lanes = spread<T>(HEAD_SIZE);
    const uint row = lanes.row;
    const uint rows = LANES / row;
    const uint row_index = lane / row;
    // Scores of a lane, or lanes that have the same.
    const uint scores_of_lane = max(KEYS * HEADS / row, 1u);
    const uint copies = max(row / (KEYS * HEADS), 1u);
    const uint first_score = lane % row / copies * scores_of_lane;

    State state = {};
    state.highest = LOWEST;
    for (uint start = begin; start < end; start += step) {
        const Rows<T> key_values = load_rows(v, places, stride, start, end - 1, HEAD_SIZE, lane);

        float4 products[MAX_HEADS] = {};
#pragma unroll
        for (uint i = 0; i < lanes.vectors; ++i) {
#pragma unroll
            for (uint e = 0; e < values / 4; ++e) {
#pragma unroll
                for (uint h = 0; h < HEADS; ++h) {
                    const float4 query = queries[queries_at<T>(h, i, e, lane)];
#pragma unroll
                    for (uint j = 0; j < KEYS; ++j) {
#pragma unroll
                        for (uint f = 0; f < 4; ++f) {
                            const float value = keys.vectors[j * MAX_VECTORS + i].value(4 * e + f, levels);
                            products[h][j] = fma(query[f], value, products[h][j]);
                        }
                    }
                }
            }
        }
        // Keys beyond the last are the last again, without weight.
        if (start + step < end) {
            keys = load_rows(k, places, stride, start + step, end - 1, HEAD_SIZE, lane);
        }
        float2 scores = sum_rows(products, row, HEADS, lane);

        float highest = -INFINITY;
#pragma unroll
        for (uint i = 0; i < scores_of_lane; ++i) {
            const uint key = start + (first_score + i) % KEYS * rows + row_index;
            scores[i] = key < end ? score_of(scores[i], scoring) : -INFINITY;
            highest = max(highest, scores[i]);
        }
        highest = max(state.highest, max_of_head(highest, row, HEADS));
        // Weights may be as large as 2^SLACK before sums are made relative to a higher score.
        if (simd_any(highest > state.highest + SLACK)) {
            const float correction = fast::exp2(state.highest - highest);
            state.highest = highest;
            state.total *= correction;
#pragma unroll
            for (uint h = 0; h < HEADS; ++h) {
                const float of_head = simd_shuffle(correction, ushort(h * (row / HEADS)));
#pragma unroll
                for (uint i = 0; i < lanes.vectors * values; ++i) {
                    state.sums[h * MAX_VALUES + i] *= of_head;
                }
            }
        }
        threadgroup float* own = reinterpret_cast<threadgroup float*>(weights) + row_index * HEADS * KEYS + first_score;
#pragma unroll
        for (uint i = 0; i < scores_of_lane; ++i) {
            const float weight = fast::exp2(scores[i] - state.highest);
            state.total += weight;
            own[i] = weight;
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);

#pragma unroll
        for (uint h = 0; h < HEADS; ++h) {
            const float4 of_keys = weights[row_index * HEADS + h];
#pragma unroll
            for (uint j = 0; j < KEYS; ++j) {
#pragma unroll
                for (uint i = 0; i < lanes.vectors; ++i) {
#pragma unroll
                    for (uint e = 0; e < values; ++e) {
                        const uint to = h * MAX_VALUES + i * values + e;
                        const float value = key_values.vectors[j * MAX_VECTORS + i].value(e, levels);
                        state.sums[to] = fma(of_keys[j], value, state.sums[to]);
                    }
                }
            }
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);
    }

    state.total = sum_of_head(state.total, row, HEADS) / float(copies);
    return state;
}

// Writes the sums of a lane to those of its row of lanes, [HEADS, HEAD_SIZE].
template <typename T>
METAL_FUNC void write_sums(threadgroup float* to, thread const State& state, uint lane)
{
    constexpr uint values = Vector<T>::values;
    const Spread lanes = spread<T>(HEAD_SIZE);
#pragma unroll
    for (uint i = 0; i < lanes.vectors; ++i) {
        const uint column = (lane % lanes.row + i * lanes.row) * values;
        if (column < HEAD_SIZE) {
#pragma unroll
            for (uint h = 0; h < HEADS; ++h) {
#pragma unroll
                for (uint e = 0; e < values; e += 4) {
                    thread const float* from = state.sums + h * MAX_VALUES + i * values + e;
                    *reinterpret_cast<threadgroup float4*>(to + h * HEAD_SIZE + column + e) =
                        float4(from[0], from[1], from[2], from[3]);
                }
            }
        }
    }
}

// out[t, h, :] = sum over visible keys j of softmax_j(capped(scale * q[t, h, :] . k[j, h', :])) * v[j, h', :] with
// h' = h / group, and capped(x) = softcap * tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 <= positions[t] - j, and positions[t] - j < window
// unless the window is 0. If SINKS, exp(sinks[h]) is added to the denominator of the softmax, as in attention.metal. q and out are [tokens, heads, HEAD_SIZE], k and v are [capacity, kv_heads, HEAD_SIZE], all
// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN. Keys and values may be in a ring, or lie in pages of a pool if PAGED, as in attention.metal.
//
// With one split `out` is written; with more it is attention_merge that writes it, and the result for each split goes to partial,
// as attention_partials.h describes it.
//
// The grid is [kv_heads * ceil(group / HEADS), tokens, splits] threadgroups of 1 to MAX_SIMD_GROUPS SIMD groups;
// with token_each a threadgroup takes as many tokens as it has SIMD groups.
//
// Threads get as many registers as four times the largest threadgroup would leave them: so a compute unit has several.
template <typename T>
[[kernel, max_total_threads_per_threadgroup(512)]] void attention_grouped(
    device const float* q           [[buffer(0)]],
    device const T*     k           [[buffer(1)]],
    device const T*     v           [[buffer(2)]],
    device const int*   positions   [[buffer(3)]],
    device float*       partial     [[buffer(4)]],
    device float*       out         [[buffer(5)]],
    constant Params&    params      [[buffer(6)]],
    device const float* sinks       [[buffer(7)]],
    device const uint*  tables      [[buffer(8)]],
    device const uint*  sequence_of [[buffer(9)]],
    uint3 group_position [[threadgroup_position_in_grid]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  lane           [[thread_index_in_simdgroup]],
    uint  simd_group     [[simdgroup_index_in_threadgroup]],
    uint  simd_groups    [[simdgroups_per_threadgroup]])
{
    let_next_launch_begin();
    threadgroup float4 weights[MAX_SIMD_GROUPS * MAX_HEADS * 4];
    threadgroup float4 scratch[MAX_SIMD_GROUPS * SCRATCH / 4];
    threadgroup float highest_of[MAX_SIMD_GROUPS * MAX_HEADS];
    threadgroup float total_of[MAX_SIMD_GROUPS * MAX_HEADS];
    threadgroup float levels[Vector<T>::levels];
    if (Vector<T>::levels > 1) {
        Vector<T>::load_levels(levels, index, simd_groups * LANES);
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // Sets of heads of a key-value head are rarely more than one: no division then.
    uint kv_head = group_position.x;
    uint first_of_key = 0;
    if (params.group > HEADS) {
        const uint blocks = (params.group + HEADS - 1) / HEADS;
        kv_head = group_position.x / blocks;
        first_of_key = group_position.x % blocks * HEADS;
    }
    const uint head = kv_head * params.group + first_of_key;
    // Of the heads from there on: heads beyond it are computed as it is, and not written.
    const uint last_head = min(params.group - first_of_key, HEADS) - 1;
    const bool token_each = params.token_each != 0;
    const uint token = token_each ? group_position.y * simd_groups + simd_group : group_position.y;
    if (token >= params.tokens) {
        // Then token_each, where no threads wait for those of other SIMD groups.
        return;
    }
    const uint split = group_position.z;
    const ulong place = ulong(token) * params.heads + head;
    q += place * HEAD_SIZE;
    out += place * HEAD_SIZE;

    const uint stride = params.kv_heads * HEAD_SIZE / Vector<T>::values;
    k += kv_head * row_stride<T>(HEAD_SIZE);
    v += kv_head * row_stride<T>(HEAD_SIZE);
    const uint row = spread<T>(HEAD_SIZE).row;
    const uint rows = LANES / row;
    const uint keys_at_a_time = KEYS * rows;
    const uint step = keys_at_a_time * (token_each ? 1 : params.splits * simd_groups);
    uint begin = token_each ? 0 : (split * simd_groups + simd_group) * keys_at_a_time;
    const int position = positions[token];
    uint capacity = params.capacity;
    const Places places =
        places_of(tables, sequence_of, token, params.sequences, params.pages, params.page_shift, params.ring, capacity);
    // Where a sequence has pages is not known before its position is, nor where the window is that a ring is for.
    const bool known = !PAGED && params.window == 0;
    Rows<T> first_keys = {};
    if (known && begin < capacity) {
        first_keys = load_rows(k, places, stride, begin, capacity - 1, HEAD_SIZE, lane);
    }
    threadgroup float4* queries = scratch + simd_group * (SCRATCH / 4);
    load_queries<T>(queries, q, last_head, lane);
    const Keys keys = visible(position, places, capacity, params.window);
    begin += keys.first;
    if (!known && begin < keys.end) {
        first_keys = load_rows(k, places, stride, begin, keys.end - 1, HEAD_SIZE, lane);
    }
    if (params.splits > 1 && split * simd_groups * keys_at_a_time >= keys.end - keys.first) {
        if (index <= last_head) {
            store_four(partial + partial_at(place + index, params.splits, split, HEAD_SIZE), float4(-INFINITY, 0.0f, 0.0f, 0.0f));
        }
        return;
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    const State state = attend(
        first_keys, k, v, places, stride, queries, scoring_of(params), begin, keys.end, step, lane,
        weights + simd_group * MAX_HEADS * 4, levels);

    // The SIMD groups of a token meet, and the rows of lanes of each: the sums of a SIMD group count as much as its highest
    // score does against the highest of all. Where there are no keys, the total is zero and the quotient NaN.
    threadgroup float* sums = reinterpret_cast<threadgroup float*>(scratch);
    write_sums<T>(sums + simd_group * SCRATCH + lane / row * HEADS * HEAD_SIZE, state, lane);
    if (lane < row) {
        highest_of[simd_group * HEADS + head_of_lane(row, HEADS, lane)] = state.highest;
        total_of[simd_group * HEADS + head_of_lane(row, HEADS, lane)] = state.total;
    }
    if (token_each) {
        simdgroup_barrier(mem_flags::mem_threadgroup);
    } else {
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    const uint threads = token_each ? LANES : simd_groups * LANES;
    for (uint i = 4 * (token_each ? lane : index); i < (last_head + 1) * HEAD_SIZE; i += 4 * threads) {
        const uint h = i / HEAD_SIZE;
        float highest = -INFINITY;
#pragma unroll
        for (uint s = 0; s < MAX_SIMD_GROUPS; ++s) {
            if (token_each ? s == simd_group : s < simd_groups) {
                highest = max(highest, highest_of[s * HEADS + h]);
            }
        }
        float4 sum = float4(0.0f);
        float total = 0.0f;
        // Splits meet without it, and it joins them where they do.
        if (SINKS && params.splits == 1 && keys.first < keys.end) {
            const float sink = M_LOG2E_F * sinks[head + h];
            highest = max(highest, sink);
            total = fast::exp2(sink - highest);
        }
#pragma unroll
        for (uint s = 0; s < MAX_SIMD_GROUPS; ++s) {
            if (token_each ? s != simd_group : s >= simd_groups) {
                continue;
            }
            float4 of_group = float4(0.0f);
#pragma unroll
            for (uint r = 0; r < rows; ++r) {
                of_group += *reinterpret_cast<threadgroup float4*>(sums + s * SCRATCH + r * HEADS * HEAD_SIZE + i);
            }
            const float factor = fast::exp2(highest_of[s * HEADS + h] - highest);
            sum += factor * of_group;
            total += factor * total_of[s * HEADS + h];
        }
        if (params.splits == 1) {
            store_four(out + i, sum * (1.0f / total));
        } else {
            device float* to = partial + partial_at(place + h, params.splits, split, HEAD_SIZE);
            const uint column = i % HEAD_SIZE;
            store_four(to + PARTIAL_HEADER + column, sum);
            if (column == 0) {
                store_four(to, float4(highest, total, 0.0f, 0.0f));
            }
        }
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("attention_grouped_" #name)]] [[kernel]] decltype(attention_grouped<type>) attention_grouped<type>;
METTLE_CACHE_FORMATS(INSTANTIATE)
