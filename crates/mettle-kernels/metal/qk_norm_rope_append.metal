// What lies between the projections of an attention layer and its scores, in one launch: biases are added where the model
// has them, queries and keys are normalised head by head where it does so, and rotated; keys and values go to the cache.
//
// It computes what binary, rms_norm, rope and kv_append do one after the other. For one token each of these is over sooner than the
// next one starts, so what counts is how long a thread has to wait: the position, the frequencies, the weights and the values
// of a head are all asked for before any of them is needed.

#include <metal_stdlib>
#include <mettle/launches.h>
#include <mettle/block_heads.h>
#include <mettle/kv_rows.h>
#include <mettle/ring.h>
#include <mettle/rotary.h>

using namespace metal;
using namespace mettle_kernels;

// One thread does up to HEADS heads of a token (CPU) instead of a SIMD group one (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Whether biases are added to the heads.
constant bool BIASED [[function_constant(1)]];

#ifndef METTLE_TURBO
#pragma mettle variant(cpu: qk_norm_rope_append_*, ROW_PER_THREAD = true, BIASED = false)
#pragma mettle variant(cpu: qk_norm_rope_append_*, ROW_PER_THREAD = true, BIASED = true)
#pragma mettle variant(gpu: qk_norm_rope_append_*, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_*, ROW_PER_THREAD = false, BIASED = true)
#endif

struct Params {
    uint tokens;
    uint query_tokens; // the last of the tokens, which have queries
    uint query_heads;
    uint kv_heads;
    uint head_size;
    uint dims;         // rotated dimensions of a head, even; the rest are not rotated
    uint capacity;     // rows of each cache
    uint ring;         // rows of the ring that the caches are, all of them; 0: the token at a position has row position
    uint interleaved;  // 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    uint normed;       // whether heads are normalised
    float scale;       // of the rotated values: the attention factor of YaRN, else 1
    float eps;         // of the norms
};

// What a head goes through, besides its conversion to what it is stored as.
struct Way {
    uint dims;    // as in Params; 0: no rotation
    bool normed;
};

// 1 / sqrt(the mean of the squares + eps).
METAL_FUNC float norm_of(float squares, constant Params& params)
{
    return 1.0f / sqrt(squares / float(params.head_size) + params.eps);
}

// Pairs of a head that a lane has in registers at a time: heads of up to 128 values are read once.
constant constexpr uint PAIRS = 2;

// Pairs that a SIMD group takes at a time.
constant constexpr uint STEP = 32 * PAIRS;

// What a lane reads at a time: its pairs are `first`, `first` + 32, ...
struct Pairs {
    float2 values[PAIRS];
    float2 weights[PAIRS];
    float frequencies[PAIRS];
};

// The elements of a pair. Those that are not rotated are taken with their neighbours.
METAL_FUNC uint2 elements(uint pair, Way way, constant Params& params)
{
    return pair_at(pair, way.dims, params.interleaved != 0 || pair >= way.dims / 2);
}

// Loads beyond the head's end are of its last element, so that no load waits for a branch.
METAL_FUNC Pairs load_pairs(
    device const float* head, device const float* bias, device const float* weight, device const float* frequencies,
    uint first, Way way, constant Params& params)
{
    Pairs pairs = {};
    const uint last = params.head_size - 1;
#pragma unroll
    for (uint j = 0; j < PAIRS; ++j) {
        const uint2 at = min(elements(first + 32 * j, way, params), uint2(last));
        pairs.values[j] = float2(head[at.x], head[at.y]);
        if (BIASED) {
            pairs.values[j] += float2(bias[at.x], bias[at.y]);
        }
        if (way.normed) {
            pairs.weights[j] = float2(weight[at.x], weight[at.y]);
        }
        if (way.dims != 0) {
            pairs.frequencies[j] = frequencies[min(first + 32 * j, way.dims / 2 - 1)];
        }
    }
    return pairs;
}

METAL_FUNC float sum_of_squares(thread const Pairs& pairs, uint first, Way way, constant Params& params)
{
    float squares = 0.0f;
#pragma unroll
    for (uint j = 0; j < PAIRS; ++j) {
        const uint2 at = elements(first + 32 * j, way, params);
        const float2 x = pairs.values[j];
        squares += at.x < params.head_size ? x.x * x.x : 0.0f;
        squares += at.y < params.head_size ? x.y * x.y : 0.0f;
    }
    return squares;
}

// How the pairs of a lane turn; of no meaning for those that are not rotated.
struct Turns {
    Turn of_pair[PAIRS];
};

METAL_FUNC Turns turns_of(thread const Pairs& pairs, int position, Way way, constant Params& params)
{
    Turns turns = {};
    if (way.dims != 0) {
#pragma unroll
        for (uint j = 0; j < PAIRS; ++j) {
            turns.of_pair[j] = turn_at(position, pairs.frequencies[j], params.scale);
        }
    }
    return turns;
}

template <typename T>
METAL_FUNC void store_pairs(
    device T* out, thread const Pairs& pairs, thread const Turns& turns, float norm, uint first, Way way,
    constant Params& params)
{
#pragma unroll
    for (uint j = 0; j < PAIRS; ++j) {
        const uint pair = first + 32 * j;
        float2 x = pairs.values[j];
        if (way.normed) {
            x = x * norm * pairs.weights[j];
        }
        x = pair < way.dims / 2 ? turned(x, turns.of_pair[j]) : x;
        const uint2 at = elements(pair, way, params);
        if (at.x < params.head_size) {
            out[at.x] = T(x.x);
        }
        if (at.y < params.head_size) {
            out[at.y] = T(x.y);
        }
    }
}

// Where the first of some heads of a token goes: a row of the cache, or `start` itself. Null for a position outside of the cache.
template <typename T>
METAL_FUNC device T* place(device T* start, bool cached, int position, constant Params& params)
{
    if (!cached) {
        return start;
    }
    if (!has_row(position, params.capacity, params.ring)) {
        return nullptr;
    }
    return start + ulong(row_of_token(uint(position), params.ring)) * row_stride<T>(params.kv_heads * params.head_size);
}

// A SIMD group: one head, which may go to where it is.
template <typename T>
METAL_FUNC void head_of_group(
    device const float* head, device const float* bias, device const float* weight, device const float* frequencies,
    device const int* at, device T* start, bool cached, Way way, constant Params& params, uint lane)
{
    const int position = *at;
    const Pairs pairs = load_pairs(head, bias, weight, frequencies, lane, way, params);
    // Before the sum, which has the lanes wait for each other.
    const Turns turns = turns_of(pairs, position, way, params);
    float norm = 1.0f;
    if (way.normed) {
        float squares = sum_of_squares(pairs, lane, way, params);
        for (uint i = STEP; 2 * i < params.head_size; i += STEP) {
            const Pairs more = load_pairs(head, bias, weight, frequencies, i + lane, way, params);
            squares += sum_of_squares(more, i + lane, way, params);
        }
        norm = norm_of(simd_sum(squares), params);
    }
    device T* out = place(start, cached, position, params);
    if (out == nullptr) {
        return;
    }
    store_pairs(out, pairs, turns, norm, lane, way, params);
    for (uint i = STEP; 2 * i < params.head_size; i += STEP) {
        const Pairs more = load_pairs(head, bias, weight, frequencies, i + lane, way, params);
        store_pairs(out, more, turns_of(more, position, way, params), norm, i + lane, way, params);
    }
}

constant constexpr uint MAX_SIMD_GROUPS = 4;

// Heads that a thread does together, so that an angle's sine and cosine are computed once for all of them.
constant constexpr uint HEADS = 8;

// `count` <= 16 values, each `stride` behind the one before.
METAL_FUNC wide load_every(device const float* p, uint stride, uint count)
{
    if (stride == 1) {
        return load_next(p, count);
    }
    wide x = splat(0.0f);
    for (uint i = 0; i < count; ++i) {
        set_element(x, i, p[i * stride]);
    }
    return x;
}

// The same, with the biases of these values.
METAL_FUNC wide load_biased(device const float* p, device const float* bias, uint stride, uint count)
{
    const wide x = load_every(p, stride, count);
    return BIASED ? x + load_every(bias, stride, count) : x;
}

template <typename T>
METAL_FUNC void store_every(device T* p, wide x, uint stride, uint count)
{
    if (stride == 1) {
        store_cached(p, x, count);
        return;
    }
    for (uint i = 0; i < count; ++i) {
        p[i * stride] = T(element(x, i));
    }
}

// One thread: `count` <= HEADS heads of a token, which may go to where they are.
template <typename T>
METAL_FUNC void heads_of_thread(
    device const float* heads, uint count, device const float* biases, device const float* weight,
    device const float* frequencies, int position, device T* start, bool cached, Way way, constant Params& params)
{
    device T* out = place(start, cached, position, params);
    if (out == nullptr) {
        return;
    }
    const uint size = params.head_size;
    float norms[HEADS];
    for (uint h = 0; h < count; ++h) {
        norms[h] = 1.0f;
        if (way.normed) {
            wide squares = splat(0.0f);
            for (uint i = 0; i < size; i += WIDE) {
                const wide x = load_biased(heads + h * size + i, biases + h * size + i, 1, size - i);
                squares = fma(x, x, squares);
            }
            norms[h] = norm_of(sum(squares), params);
        }
    }

    const uint pairs = way.dims / 2;
    const uint stride = params.interleaved != 0 ? 2 : 1;
    const uint second = params.interleaved != 0 ? 1 : pairs;
    for (uint pair = 0; pair < pairs; pair += WIDE) {
        const uint left = min(pairs - pair, WIDE);
        wide c = splat(0.0f);
        wide s = splat(0.0f);
        for (uint i = 0; i < left; ++i) {
            const Turn turn = turn_at(position, frequencies[pair + i], params.scale);
            set_element(c, i, turn.c);
            set_element(s, i, turn.s);
        }
        const uint at = pair * stride;
        const wide first_weights = way.normed ? load_every(weight + at, stride, left) : splat(1.0f);
        const wide second_weights = way.normed ? load_every(weight + at + second, stride, left) : splat(1.0f);
        for (uint h = 0; h < count; ++h) {
            device const float* from = heads + h * size + at;
            device const float* bias = biases + h * size + at;
            device T* to = out + h * size + at;
            const wide norm = splat(norms[h]);
            const wide a = load_biased(from, bias, stride, left) * norm * first_weights;
            const wide b = load_biased(from + second, bias + second, stride, left) * norm * second_weights;
            store_every(to, a * c - b * s, stride, left);
            store_every(to + second, a * s + b * c, stride, left);
        }
    }
    for (uint i = way.dims; i < size; i += WIDE) {
        const uint left = size - i;
        const wide weights = way.normed ? load_next(weight + i, left) : splat(1.0f);
        for (uint h = 0; h < count; ++h) {
            const wide x = load_biased(heads + h * size + i, biases + h * size + i, 1, left);
            store_cached(out + h * size + i, x * splat(norms[h]) * weights, left);
        }
    }
}

// How heads of keys or values become rows of a cache of T: `head_of_group` and `heads_of_thread` with the cache, whose first row of these
// heads is `start`, behind them. Dense rows are written as they are computed.
template <typename T, bool DENSE = format<T>::dense>
struct ToCache {
    static METAL_FUNC void of_group(
        device float* head, device const float* bias, device const float* weight, device const float* frequencies,
        device const int* at, device T* start, Way way, constant Params& params, uint lane, threadgroup uchar*)
    {
        head_of_group(head, bias, weight, frequencies, at, start, true, way, params, lane);
    }

    static METAL_FUNC void of_thread(
        device float* heads, uint count, device const float* biases, device const float* weight,
        device const float* frequencies, int position, device T* start, Way way, constant Params& params)
    {
        heads_of_thread(heads, count, biases, weight, frequencies, position, start, true, way, params);
    }
};

// Blocks are encoded when all of their values are known: heads go to where they are before.
template <typename T>
struct ToCache<T, false> {
    static METAL_FUNC bool changes(Way way) { return BIASED || way.normed || way.dims != 0; }

    static METAL_FUNC void of_group(
        device float* head, device const float* bias, device const float* weight, device const float* frequencies,
        device const int* at, device T* start, Way way, constant Params& params, uint lane, threadgroup uchar* codes)
    {
        if (changes(way)) {
            head_of_group(head, bias, weight, frequencies, at, head, false, way, params, lane);
            simdgroup_barrier(mem_flags::mem_device);
        }
        device T* row = place(start, true, *at, params);
        if (row != nullptr) {
            BlockHeads<T>::encode_together(row, head, params.head_size, codes, lane);
        }
    }

    static METAL_FUNC void of_thread(
        device float* heads, uint count, device const float* biases, device const float* weight,
        device const float* frequencies, int position, device T* start, Way way, constant Params& params)
    {
        device T* row = place(start, true, position, params);
        if (row == nullptr) {
            return;
        }
        if (changes(way)) {
            heads_of_thread(heads, count, biases, weight, frequencies, position, heads, false, way, params);
        }
        BlockHeads<T>::change_alone(heads, count, params.head_size);
        const uint values = count * params.head_size;
        for (uint i = 0; i < values; i += format<T>::values) {
            put(row, i, heads + i, values - i);
        }
    }
};

// For every token t and its heads x of query, key and value, each of head_size values:
//   query = rotated(normed(biased(query))),  cache_k[positions[t]] = rotated(normed(biased(key))),
//   cache_v[positions[t]] = biased(value)
// where biased(x) = x + bias if BIASED, else x, with query_bias, key_bias or value_bias; normed(x) = x * weight / sqrt(mean(x^2) + eps), as in rms_norm, with the weights query_norm or key_norm, and rotated(x)
// turns pairs of its first dims values by positions[t] * frequencies, as in rope. A token whose position lies outside the cache
// is not stored; a ring takes every position from 0 on, as in kv_append.metal. In caches of blocks, key and value are changed. They are [tokens, kv_heads, head_size], the caches [capacity, kv_heads, head_size], query is
// [query_tokens, query_heads, head_size], positions [tokens], frequencies [dims / 2], query_bias [query_heads, head_size], the other
// biases [kv_heads, head_size]. Without norms their weights are not read, and biases only if BIASED.
//
// Over caches of TurboQuant heads are transformed at last, as hadamard.metal does it, those of queries too.
//
// A SIMD group a head, those of queries first, then of keys and values: the grid is [ceil(heads / simd groups), tokens]
// threadgroups of 1 to MAX_SIMD_GROUPS SIMD groups. Or a thread (ROW_PER_THREAD) for up to HEADS heads of queries, keys or values: [their number, tokens] threads.
template <typename T>
kernel void qk_norm_rope_append(
    device float*       query       [[buffer(0)]],
    device float*       key         [[buffer(1)]],
    device float*       value       [[buffer(2)]],
    device const float* query_bias  [[buffer(3)]],
    device const float* key_bias    [[buffer(4)]],
    device const float* value_bias  [[buffer(5)]],
    device const float* query_norm  [[buffer(6)]],
    device const float* key_norm    [[buffer(7)]],
    device const float* frequencies [[buffer(8)]],
    device const int*   positions   [[buffer(9)]],
    device T*           cache_k     [[buffer(10)]],
    device T*           cache_v     [[buffer(11)]],
    constant Params&    params      [[buffer(12)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint simd_group  [[simdgroup_index_in_threadgroup]],
    uint simd_groups [[simdgroups_per_threadgroup]],
    uint lane        [[thread_index_in_simdgroup]])
{
    let_next_launch_begin();
    threadgroup uchar codes[MAX_SIMD_GROUPS * BlockHeads<T>::codes];
    // Heads are counted in sets of `together`, which do not mix queries, keys and values.
    const uint together = ROW_PER_THREAD ? HEADS : 1;
    const uint query_sets = (params.query_heads + together - 1) / together;
    const uint kv_sets = (params.kv_heads + together - 1) / together;
    const uint token = ROW_PER_THREAD ? thread_position.y : group_position.y;
    const uint set = ROW_PER_THREAD ? thread_position.x : group_position.x * simd_groups + simd_group;

    const uint size = params.head_size;
    const Way turned_way = {params.dims, params.normed != 0};
    device const int* at = positions + token;
    if (set < query_sets) {
        const uint before = params.tokens - params.query_tokens;
        if (token < before) {
            return;
        }
        const uint head = set * together;
        device float* x = query + (ulong(token - before) * params.query_heads + head) * size;
        device const float* bias = query_bias + head * size;
        if (ROW_PER_THREAD) {
            const uint count = min(params.query_heads - head, HEADS);
            heads_of_thread(x, count, bias, query_norm, frequencies, *at, x, false, turned_way, params);
            BlockHeads<T>::change_alone(x, count, size);
        } else {
            head_of_group(x, bias, query_norm, frequencies, at, x, false, turned_way, params, lane);
            BlockHeads<T>::change_together(x, size, lane);
        }
        return;
    }

    const bool of_values = set >= query_sets + kv_sets;
    const uint head = (set - query_sets - (of_values ? kv_sets : 0)) * together;
    if (head >= params.kv_heads) {
        return;
    }
    const Way way = of_values ? Way{0, false} : turned_way;
    device float* x = (of_values ? value : key) + (ulong(token) * params.kv_heads + head) * size;
    device const float* bias = (of_values ? value_bias : key_bias) + head * size;
    device T* out = (of_values ? cache_v : cache_k) + ulong(head) * row_stride<T>(size);
    if (ROW_PER_THREAD) {
        const uint count = min(params.kv_heads - head, HEADS);
        ToCache<T>::of_thread(x, count, bias, key_norm, frequencies, *at, out, way, params);
    } else {
        ToCache<T>::of_group(x, bias, key_norm, frequencies, at, out, way, params, lane, codes + simd_group * BlockHeads<T>::codes);
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("qk_norm_rope_append_" #name)]] kernel decltype(qk_norm_rope_append<type>) qk_norm_rope_append<type>;
METTLE_CACHE_FORMATS(INSTANTIATE)
