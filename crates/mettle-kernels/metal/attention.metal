// Causal attention of queries over the key-value cache, with grouped heads and a sliding window.
//
// The softmax is computed online (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018): no scores
// are stored, so neither the number of keys nor of queries has a limit. On GPUs this is for heads of any size;
// attention_grouped.metal computes those of common sizes.
//
// Products that are added up are added by fma: so no compiler chooses, and variants give the same bits.

#include <metal_stdlib>
#include <mettle/attention_partials.h>
#include <mettle/kv_rows.h>
#include <mettle/mask.h>
#include <mettle/pages.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a query's head by itself (CPU) instead of one or more SIMD groups together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Values of a head, at most MAX_HEAD_SIZE: whole blocks of the cache.
constant uint HEAD_SIZE [[function_constant(1)]];

// Whether scores are capped smoothly.
constant bool SOFTCAP [[function_constant(2)]];

// Whether each head has a sink: a score of its own in the denominator of the softmax that no value belongs to.
constant bool SINKS [[function_constant(3)]];

// What the mask consists of: one of the kinds of mask.h.
constant uint MASK [[function_constant(4)]];
#if !defined(METTLE_TURBO) && !defined(METTLE_16BIT)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 64, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 80, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 96, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 256, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 256, SOFTCAP = true, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_b*, ROW_PER_THREAD = true, HEAD_SIZE = 64, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_b*, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_q*, ROW_PER_THREAD = true, HEAD_SIZE = 64, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_q*, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_q*, ROW_PER_THREAD = true, HEAD_SIZE = 256, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_f16, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = true)
#pragma mettle variant(gpu: attention_f*, ROW_PER_THREAD = false, HEAD_SIZE = 192, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(gpu: attention_f*, ROW_PER_THREAD = false, HEAD_SIZE = 512, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#endif
constant constexpr uint MAX_HEAD_SIZE = 576;
constant constexpr uint MAX_SHARERS = 8;
constant constexpr uint LANES = 32;

struct Params {
    uint heads;       // of the queries
    uint kv_heads;    // divides heads: query head h reads key and value head h / (heads / kv_heads)
    uint capacity;    // rows of the caches; if PAGED, those that a page table has room for
    uint ring;        // rows of the ring that the caches are, all of them, behind a window; 0: the token at a position has row position
    uint window;      // keys that a query sees, its own included; 0: all
    uint mask_step;   // if MASK: rows of the mask from one head to the next, 0 where all have the same
    uint sequences;   // if PAGED: how many page tables there are
    uint pages;       // if PAGED: pages of a table
    uint page_shift;  // if PAGED: a page has 2^page_shift rows
    float scale;      // of the scores, usually 1 / sqrt(HEAD_SIZE)
    float softcap;    // that scores stay below, if SOFTCAP
};

// What makes scores of products.
struct Scoring {
    float scale;
    float softcap;
};

// Only of keys that the query sees: capping the minus infinity of others would give them weight.
METAL_FUNC float score_of(float product, Scoring scoring)
{
    const float score = scoring.scale * product;
    return SOFTCAP ? scoring.softcap * precise::tanh(score / scoring.softcap) : score;
}

// What a head of a query attends to.
template <typename T>
struct Attended {
    device const T* k;  // row 0 of the head's keys
    device const T* v;  // and of its values
    ulong stride;       // elements from one row to the next
    Places places;
    Keys keys;
    Scoring scoring;
    float sink;                 // of the head, if SINKS
    device const uchar* mask;
    ulong first_of_mask;        // the place of key 0 in the mask

    METAL_FUNC device const T* key(uint j) const { return k + places.row(j) * stride; }
    METAL_FUNC device const T* value(uint j) const { return v + places.row(j) * stride; }
};

// The dot product of a query and a key.
template <typename T, typename Q>
METAL_FUNC float product(device const Q* q, device const T* k)
{
    wide products = splat(0.0f);
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
        products = fma(load_next(q + i, HEAD_SIZE - i), cached_sixteen(k, i, HEAD_SIZE - i), products);
    }
    return sum(products);
}

// The score of key j. What the mask leaves out is not read.
template <typename T, typename Q>
METAL_FUNC float score_of_key(device const Q* q, thread const Attended<T>& attended, uint j)
{
    const float added = mask_value(attended.mask, MASK, attended.first_of_mask + j);
    if (MASK != NO_MASK && added == -INFINITY) {
        return -INFINITY;
    }
    const float score = score_of(product(q, attended.key(j)), attended.scoring);
    return MASK != NO_MASK ? score + added : score;
}

// What sums are divided by: `total`, or where a mask leaves nothing, so that it is zero as they are, one.
METAL_FUNC float divisor(float total) { return MASK != NO_MASK && total == 0.0f ? 1.0f : total; }

// One head of one query by one thread.
template <typename T, typename Q>
METAL_FUNC void attend_alone(device const Q* q, thread const Attended<T>& attended, device Q* out)
{
    wide weighted[MAX_HEAD_SIZE / WIDE];
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
        weighted[i / WIDE] = splat(0.0f);
    }
    float highest = SINKS ? max(attended.sink, LOWEST) : LOWEST;
    float total = SINKS ? precise::exp(attended.sink - highest) : 0.0f;

    const Keys keys = attended.keys;
    for (uint start = keys.first; start < keys.end; start += WIDE) {
        const uint count = min(WIDE, keys.end - start);
        wide scores = splat(-INFINITY);
        for (uint j = 0; j < count; ++j) {
            set_element(scores, j, score_of_key(q, attended, start + j));
        }
        const float highest_here = largest(scores);
        if (MASK != NO_MASK && highest_here == -INFINITY) {
            continue;
        }

        const float previous = highest;
        highest = max(highest, highest_here);
        const wide weights = exp(scores - splat(highest));
        const float correction = precise::exp(previous - highest);
        total = fma(total, correction, sum(weights));
#pragma unroll
        for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
            weighted[i / WIDE] = weighted[i / WIDE] * splat(correction);
        }
        for (uint j = 0; j < count; ++j) {
            const float of_key = element(weights, j);
            if (MASK != NO_MASK && of_key == 0.0f) {
                continue;
            }
            const wide weight = splat(of_key);
            device const T* row = attended.value(start + j);
#pragma unroll
            for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
                weighted[i / WIDE] = fma(weight, cached_sixteen(row, i, HEAD_SIZE - i), weighted[i / WIDE]);
            }
        }
    }

    const wide norm = splat(1.0f / divisor(total));
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
        store_cached(out + i, weighted[i / WIDE] * norm, HEAD_SIZE - i);
    }
}

// One head of one query by the SIMD groups of a threadgroup. SIMD group s takes keys in blocks of 32: s, s + groups, ...
// Within a block, a lane computes the score of one key; then every lane sums the values of all keys for its own
// elements lane, lane + 32, ... of the head.
template <typename T, typename Q>
METAL_FUNC void attend_together(
    device const Q* q, thread const Attended<T>& attended, device Q* out, uint lane, uint simd_group, uint simd_groups,
    threadgroup float* highest_of, threadgroup float* total_of, threadgroup float* weighted_of)
{
    float weighted[MAX_HEAD_SIZE / LANES] = {};
    float total = 0.0f;
    float highest = LOWEST;

    const Keys keys = attended.keys;
    for (uint start = keys.first + LANES * simd_group; start < keys.end; start += LANES * simd_groups) {
        const uint count = min(LANES, keys.end - start);
        const float score = lane < count ? score_of_key(q, attended, start + lane) : -INFINITY;
        const float highest_here = simd_max(score);
        if (MASK != NO_MASK && highest_here == -INFINITY) {
            continue;
        }

        const float previous = highest;
        highest = max(highest, highest_here);
        const float weight = precise::exp(score - highest);
        const float correction = precise::exp(previous - highest);
        total = fma(total, correction, simd_sum(weight));
        for (uint i = 0; LANES * i < HEAD_SIZE; ++i) {
            weighted[i] *= correction;
        }
        for (uint j = 0; j < count; ++j) {
            const float key_weight = simd_shuffle(weight, ushort(j));
            if (MASK != NO_MASK && key_weight == 0.0f) {
                continue;
            }
            device const T* row = attended.value(start + j);
            for (uint i = 0; LANES * i + lane < HEAD_SIZE; ++i) {
                weighted[i] = fma(key_weight, cached_value(row, LANES * i + lane), weighted[i]);
            }
        }
    }

    // The SIMD groups meet: each one's sums count as much as its highest score does against the highest of all.
    if (lane == 0) {
        highest_of[simd_group] = highest;
        total_of[simd_group] = total;
    }
    for (uint i = 0; LANES * i + lane < HEAD_SIZE; ++i) {
        weighted_of[simd_group * MAX_HEAD_SIZE + LANES * i + lane] = weighted[i];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (uint s = 0; s < simd_groups; ++s) {
        highest = max(highest, highest_of[s]);
    }
    if (SINKS) {
        highest = max(highest, attended.sink);
    }
    total = SINKS ? precise::exp(attended.sink - highest) : 0.0f;
    for (uint s = 0; s < simd_groups; ++s) {
        total = fma(total_of[s], precise::exp(highest_of[s] - highest), total);
    }
    for (uint i = LANES * simd_group + lane; i < HEAD_SIZE; i += LANES * simd_groups) {
        float element = 0.0f;
        for (uint s = 0; s < simd_groups; ++s) {
            element = fma(weighted_of[s * MAX_HEAD_SIZE + i], precise::exp(highest_of[s] - highest), element);
        }
        out[i] = Q(element / divisor(total));
    }
}

// out[t, h, :] = sum over visible keys j of softmax_j(capped(scale * q[t, h, :] . k[j, h', :])) * v[j, h', :] with
// h' = h / (heads / kv_heads), and capped(x) = softcap * tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 <= positions[t] - j, and positions[t] - j < window
// unless the window is 0. If SINKS, exp(sinks[h]) is added to the denominator of the softmax: so a head may attend to nothing, and
// gives zeros where all scores are minus infinity. sinks is [heads], finite or minus infinity. q and out are [tokens, heads, HEAD_SIZE], k and v are [capacity, kv_heads, HEAD_SIZE]. A token
// whose position lies outside the cache gets NaN. In a ring, which needs a window, key j is in row j % capacity, and no position from 0 on is outside.
//
// With a MASK, row h * mask_step + t of mask, [rows, capacity], is added to the capped scores; keys to which it adds minus infinity are not
// read, and where it leaves no key, out is zero. A ring has none.
//
// If PAGED, k and v are [pages of the pool, 2^page_shift, kv_heads, HEAD_SIZE], and key j is row j of sequence sequence_of[t]: see pages.h. tables
// is [sequences, pages], with numbers of pages below those of the pool. A token at a position without a page gets NaN.
//
// One thread (ROW_PER_THREAD) or threadgroup of 1 to MAX_SHARERS SIMD groups for each head and token: the grid is
// [heads, tokens]. Decoding wants several SIMD groups a head, a long prompt wants one.
template <typename T, typename Q>
kernel void attention(
    device const Q*     q           [[buffer(0)]],
    device const T*     k           [[buffer(1)]],
    device const T*     v           [[buffer(2)]],
    device const int*   positions   [[buffer(3)]],
    device Q*           out         [[buffer(4)]],
    constant Params&    params      [[buffer(5)]],
    device const float* sinks       [[buffer(6)]],
    device const uchar* mask        [[buffer(7)]],
    device const uint*  tables      [[buffer(8)]],
    device const uint*  sequence_of [[buffer(9)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  lane            [[thread_index_in_simdgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  simd_groups     [[simdgroups_per_threadgroup]])
{
    threadgroup float highest_of[MAX_SHARERS];
    threadgroup float total_of[MAX_SHARERS];
    threadgroup float weighted_of[MAX_SHARERS * MAX_HEAD_SIZE];

    const uint2 place = ROW_PER_THREAD ? thread_position : group_position;
    const uint head = place.x;
    const uint token = place.y;
    const ulong at = (ulong(token) * params.heads + head) * HEAD_SIZE;
    q += at;
    out += at;

    const int position = positions[token];
    uint capacity = params.capacity;
    const Places places =
        places_of(tables, sequence_of, token, params.sequences, params.pages, params.page_shift, params.ring, capacity);
    if (!places.has(position, capacity)) {
        // The same for all threads of the group.
        for (uint i = ROW_PER_THREAD ? 0 : lane; i < HEAD_SIZE; i += ROW_PER_THREAD ? 1 : LANES) {
            out[i] = Q(NAN);
        }
        return;
    }
    const uint kv_head = head / (params.heads / params.kv_heads);
    const uint of_head = kv_head * row_stride<T>(HEAD_SIZE);
    Attended<T> attended;
    attended.k = k + of_head;
    attended.v = v + of_head;
    attended.stride = ulong(params.kv_heads) * row_stride<T>(HEAD_SIZE);
    attended.places = places;
    attended.keys = places.visible(uint(position), params.window);
    attended.scoring = Scoring{params.scale, params.softcap};
    attended.sink = SINKS ? sinks[head] : 0.0f;
    attended.mask = mask;
    attended.first_of_mask = (ulong(head) * params.mask_step + token) * params.capacity;
    if (ROW_PER_THREAD) {
        attend_alone(q, attended, out);
    } else {
        attend_together(q, attended, out, lane, simd_group, simd_groups, highest_of, total_of, weighted_of);
    }
}

#ifdef METTLE_16BIT
#define INSTANTIATE(name, type) \
    template [[host_name("attention_16bit_" #name)]] kernel decltype(attention<type, type>) attention<type, type>;
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
#else
#define INSTANTIATE(name, type) \
    template [[host_name("attention_" #name)]] kernel decltype(attention<type, float>) attention<type, float>;
METTLE_CACHE_FORMATS(INSTANTIATE)
#endif
