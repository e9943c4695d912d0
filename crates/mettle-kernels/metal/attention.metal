// Causal attention of queries over the key-value cache, with grouped heads and a sliding window.
//
// The softmax is computed online (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018): no scores
// are stored, so neither the number of keys nor of queries has a limit. On GPUs this is for heads of any size;
// attention_grouped.metal computes those of common sizes.

#include <metal_stdlib>
#include <mettle/kv_rows.h>

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
#ifndef METTLE_TURBO
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 64, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 80, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 96, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 256, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_f*, ROW_PER_THREAD = true, HEAD_SIZE = 256, SOFTCAP = true, SINKS = false)
#pragma mettle variant(cpu: attention_b*, ROW_PER_THREAD = true, HEAD_SIZE = 64, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_b*, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_q*, ROW_PER_THREAD = true, HEAD_SIZE = 64, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_q*, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false)
#pragma mettle variant(cpu: attention_q*, ROW_PER_THREAD = true, HEAD_SIZE = 256, SOFTCAP = false, SINKS = false)
#pragma mettle variant(gpu: attention_f*, ROW_PER_THREAD = false, HEAD_SIZE = 192, SOFTCAP = false, SINKS = false)
#pragma mettle variant(gpu: attention_f*, ROW_PER_THREAD = false, HEAD_SIZE = 512, SOFTCAP = false, SINKS = false)
#endif
constant constexpr uint MAX_HEAD_SIZE = 576;
constant constexpr uint MAX_SIMD_GROUPS = 8;
constant constexpr uint LANES = 32;

struct Params {
    uint heads;     // of the queries
    uint kv_heads;  // divides heads: query head h reads key and value head h / (heads / kv_heads)
    uint capacity;  // rows of the caches
    uint window;    // keys that a query sees, its own included; 0: all
    float scale;    // of the scores, usually 1 / sqrt(HEAD_SIZE)
    float softcap;  // that scores stay below, if SOFTCAP
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

// What the highest score is before there is any: weights of minus infinity are zero against it, and not the difference of infinities.
constant constexpr float LOWEST = -FLT_MAX;

// The keys that a query sees: rows first..end of the cache.
struct Keys {
    uint first;
    uint end;
};

static Keys visible(uint position, uint window)
{
    const uint end = position + 1;
    return Keys{window != 0 && end > window ? end - window : 0, end};
}

// The dot product of a query and a key.
template <typename T>
METAL_FUNC float product(device const float* q, device const T* k)
{
    wide products = splat(0.0f);
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
        products = fma(load_next(q + i, HEAD_SIZE - i), cached_sixteen(k, i, HEAD_SIZE - i), products);
    }
    return sum(products);
}

// One head of one query by one thread. k and v are the first rows of the head's cache, `stride` elements apart. `sink` is the head's, if
// SINKS.
template <typename T>
METAL_FUNC void attend_alone(
    device const float* q, device const T* k, device const T* v, ulong stride, Keys keys, Scoring scoring, float sink,
    device float* out)
{
    wide weighted[MAX_HEAD_SIZE / WIDE];
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
        weighted[i / WIDE] = splat(0.0f);
    }
    float highest = SINKS ? max(sink, LOWEST) : LOWEST;
    float total = SINKS ? precise::exp(sink - highest) : 0.0f;

    for (uint start = keys.first; start < keys.end; start += WIDE) {
        const uint count = min(WIDE, keys.end - start);
        wide scores = splat(-INFINITY);
        for (uint j = 0; j < count; ++j) {
            set_element(scores, j, score_of(product(q, k + (start + j) * stride), scoring));
        }

        const float previous = highest;
        highest = max(highest, largest(scores));
        const wide weights = exp(scores - splat(highest));
        const float correction = precise::exp(previous - highest);
        total = total * correction + sum(weights);
#pragma unroll
        for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
            weighted[i / WIDE] = weighted[i / WIDE] * splat(correction);
        }
        for (uint j = 0; j < count; ++j) {
            const wide weight = splat(element(weights, j));
            device const T* row = v + (start + j) * stride;
#pragma unroll
            for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
                weighted[i / WIDE] = fma(weight, cached_sixteen(row, i, HEAD_SIZE - i), weighted[i / WIDE]);
            }
        }
    }

    const wide norm = splat(1.0f / total);
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE; i += WIDE) {
        store_next(out + i, weighted[i / WIDE] * norm, HEAD_SIZE - i);
    }
}

// One head of one query by the SIMD groups of a threadgroup. SIMD group s takes keys in blocks of 32: s, s + groups, ...
// Within a block, a lane computes the score of one key; then every lane sums the values of all keys for its own
// elements lane, lane + 32, ... of the head.
template <typename T>
METAL_FUNC void attend_together(
    device const float* q, device const T* k, device const T* v, ulong stride, Keys keys, Scoring scoring, float sink,
    device float* out, uint lane, uint simd_group, uint simd_groups, threadgroup float* highest_of,
    threadgroup float* total_of, threadgroup float* weighted_of)
{
    float weighted[MAX_HEAD_SIZE / LANES] = {};
    float total = 0.0f;
    float highest = LOWEST;

    for (uint start = keys.first + LANES * simd_group; start < keys.end; start += LANES * simd_groups) {
        const uint count = min(LANES, keys.end - start);
        const float score = lane < count ? score_of(product(q, k + (start + lane) * stride), scoring) : -INFINITY;

        const float previous = highest;
        highest = max(highest, simd_max(score));
        const float weight = precise::exp(score - highest);
        const float correction = precise::exp(previous - highest);
        total = total * correction + simd_sum(weight);
        for (uint i = 0; LANES * i < HEAD_SIZE; ++i) {
            weighted[i] *= correction;
        }
        for (uint j = 0; j < count; ++j) {
            const float key_weight = simd_shuffle(weight, ushort(j));
            device const T* row = v + (start + j) * stride;
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
        highest = max(highest, sink);
    }
    total = SINKS ? precise::exp(sink - highest) : 0.0f;
    for (uint s = 0; s < simd_groups; ++s) {
        total += total_of[s] * precise::exp(highest_of[s] - highest);
    }
    for (uint i = LANES * simd_group + lane; i < HEAD_SIZE; i += LANES * simd_groups) {
        float element = 0.0f;
        for (uint s = 0; s < simd_groups; ++s) {
            element += weighted_of[s * MAX_HEAD_SIZE + i] * precise::exp(highest_of[s] - highest);
        }
        out[i] = element / total;
    }
}

// out[t, h, :] = sum over visible keys j of softmax_j(capped(scale * q[t, h, :] . k[j, h', :])) * v[j, h', :] with
// h' = h / (heads / kv_heads), and capped(x) = softcap * tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 <= positions[t] - j, and positions[t] - j < window
// unless the window is 0. If SINKS, exp(sinks[h]) is added to the denominator of the softmax: so a head may attend to nothing, and
// gives zeros where all scores are minus infinity. sinks is [heads], finite or minus infinity. q and out are [tokens, heads, HEAD_SIZE], k and v are [capacity, kv_heads, HEAD_SIZE]. A token
// whose position lies outside the cache gets NaN.
//
// One thread (ROW_PER_THREAD) or threadgroup of 1 to MAX_SIMD_GROUPS SIMD groups for each head and token: the grid is
// [heads, tokens]. Decoding wants several SIMD groups a head, a long prompt wants one.
template <typename T>
kernel void attention(
    device const float* q         [[buffer(0)]],
    device const T*     k         [[buffer(1)]],
    device const T*     v         [[buffer(2)]],
    device const int*   positions [[buffer(3)]],
    device float*       out       [[buffer(4)]],
    constant Params&    params    [[buffer(5)]],
    device const float* sinks     [[buffer(6)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  lane            [[thread_index_in_simdgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  simd_groups     [[simdgroups_per_threadgroup]])
{
    threadgroup float highest_of[MAX_SIMD_GROUPS];
    threadgroup float total_of[MAX_SIMD_GROUPS];
    threadgroup float weighted_of[MAX_SIMD_GROUPS * MAX_HEAD_SIZE];

    const uint2 place = ROW_PER_THREAD ? thread_position : group_position;
    const uint head = place.x;
    const uint token = place.y;
    const uint kv_head = head / (params.heads / params.kv_heads);
    const ulong stride = ulong(params.kv_heads) * row_stride<T>(HEAD_SIZE);
    const ulong at = (ulong(token) * params.heads + head) * HEAD_SIZE;
    q += at;
    out += at;
    k += kv_head * row_stride<T>(HEAD_SIZE);
    v += kv_head * row_stride<T>(HEAD_SIZE);

    const int position = positions[token];
    if (position < 0 || uint(position) >= params.capacity) {
        // The same for all threads of the group.
        for (uint i = ROW_PER_THREAD ? 0 : lane; i < HEAD_SIZE; i += ROW_PER_THREAD ? 1 : LANES) {
            out[i] = NAN;
        }
        return;
    }
    const Keys keys = visible(uint(position), params.window);
    const Scoring scoring = {params.scale, params.softcap};
    const float sink = SINKS ? sinks[head] : 0.0f;
    if (ROW_PER_THREAD) {
        attend_alone(q, k, v, stride, keys, scoring, sink, out);
    } else {
        attend_together(
            q, k, v, stride, keys, scoring, sink, out, lane, simd_group, simd_groups, highest_of, total_of, weighted_of);
    }
}

#define INSTANTIATE(name, type) template [[host_name("attention_" #name)]] kernel decltype(attention<type>) attention<type>;
METTLE_CACHE_FORMATS(INSTANTIATE)
