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
#include <mettle/attention_partials.h>
#include <mettle/attention_tiles.h>
#include <mettle/launches.h>

using namespace metal;
using namespace mettle_kernels;

#pragma mettle variant(gpu: attention_tiles_*, HEAD_SIZE = 64, BLOCK = 64, KEEP = true, SOFTCAP = false, MASKED = false, PAGED = false)
#pragma mettle variant(gpu: attention_tiles_*, HEAD_SIZE = 128, BLOCK = 32, KEEP = true, SOFTCAP = false, MASKED = false, PAGED = false)
#pragma mettle variant(gpu: attention_tiles_f16, HEAD_SIZE = 128, BLOCK = 32, KEEP = true, SOFTCAP = false, MASKED = true, PAGED = false)
#pragma mettle variant(gpu: attention_tiles_f16, HEAD_SIZE = 256, BLOCK = 32, KEEP = false, SOFTCAP = false, MASKED = false, PAGED = false)

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
        scoring.scales[b] = (SOFTCAP ? params.scale / params.softcap : M_LOG2E_F * params.scale) * inverse_of_power(factor);
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
