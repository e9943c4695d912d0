// Causal attention of few tokens on GPUs whose SIMD groups have many registers, by products of matrices that never pass through memory.
//
// A SIMD group computes the query heads of one token that share a key-value head, sixteen keys at a time. Lanes read sixteen bytes of rows of keys and
// of values, which are operands as they come: which column of a fragment a value is in does not matter, as long as it is the same in both operands. So
// keys are in the order in which they were read, and queries in the same one. Scores are where weights are multiplied from, and the softmax is computed
// online (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018), in powers of two. The next keys are asked for as soon as
// these are multiplied, and so are values.
//
// The keys of a token are dealt out to threadgroups, and to the SIMD groups of each, sixteen at a time, so that what a SIMD group begins with does not depend
// on where the token is, and is asked for before that is known. attention_merge joins what threadgroups have.
//
// Queries and weights are sums of two halves, in rows of their own: eight heads' first terms in one half of a fragment's rows, and the rest in the other.

#include <metal_stdlib>
#include <mettle/attention_partials.h>
#include <mettle/fragment_pairs.h>
#include <mettle/launches.h>
#include <mettle/memory.h>
#include <mettle/pages.h>

using namespace metal;
using namespace mettle_kernels;

// Values of a head: 64 or 128.
constant uint HEAD_SIZE [[function_constant(0)]];

// Query heads of a SIMD group, at most: 4 or 8.
constant uint HEADS [[function_constant(1)]];

#pragma mettle variant(gpu: attention_decode_*, HEAD_SIZE = 64, HEADS = 4, PAGED = false)
#pragma mettle variant(gpu: attention_decode_*, HEAD_SIZE = 64, HEADS = 8, PAGED = false)
#pragma mettle variant(gpu: attention_decode_*, HEAD_SIZE = 128, HEADS = 4, PAGED = false)
#pragma mettle variant(gpu: attention_decode_*, HEAD_SIZE = 128, HEADS = 8, PAGED = false)
#pragma mettle variant(gpu: attention_decode_*, HEAD_SIZE = 128, HEADS = 4, PAGED = true)
#pragma mettle variant(gpu: attention_decode_*, HEAD_SIZE = 128, HEADS = 8, PAGED = true)

constant constexpr uint MAX_HEAD_SIZE = 128;
constant constexpr uint MAX_HEADS = 8;
constant constexpr uint SIMD_GROUPS = 8;
constant constexpr uint LANES = 32;

// Keys of a step.
constant constexpr uint KEYS = FRAGMENT;

// Values of a vector, and of the parts of a row in which neighbouring lanes have one of keys each, and of values.
constant constexpr uint VECTOR = 8;
constant constexpr uint KEY_PART = 4 * VECTOR;
constant constexpr uint VALUE_PART = 8 * VECTOR;

// Vectors of keys and of values of a lane, at most.
constant constexpr uint MAX_VECTORS = KEYS * MAX_HEAD_SIZE / VECTOR / LANES;

// Logarithms to base 2 of what weights are when the highest one is known, and of what they may become before sums are made relative to a higher score:
// halves reach to 2^16, and what is below 2^-24 is lost to them.
constant constexpr float LIFT = 7.0f;
constant constexpr float HIGHEST_WEIGHT = 15.0f;

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
    uint splits;      // of the keys of a token
    uint sinks;       // whether each head has one; with one split
    float scale;      // of the scores, usually 1 / sqrt(HEAD_SIZE)
};

// Vectors of a lane, as they lie in memory. Words, as LLVM 19 for NVIDIA GPUs reads components of vectors that are chosen at run time elsewhere.
struct Vectors {
    uint words[4 * MAX_VECTORS];

    METAL_FUNC void set(uint i, uint4 vector)
    {
#pragma unroll
        for (uint j = 0; j < 4; ++j) {
            words[4 * i + j] = vector[j];
        }
    }
};

// Asks for the keys of a step: of each of a lane's two rows the vectors that the numbers of its columns say, one of each part.
template <typename T>
METAL_FUNC Vectors load_keys(device const T* from, Places places, uint stride, uint first, uint last, uint lane)
{
    const uint vector = fragment_pairs::column(lane, 0) / 2;
    Vectors loaded;
#pragma unroll
    for (uint b = 0; b < ROWS_OF_LANE; ++b) {
        const uint at = places.row(min(first + fragment_pairs::row(lane, b), last)) * stride + vector;
#pragma unroll
        for (uint p = 0; p < HEAD_SIZE / KEY_PART; ++p) {
            loaded.set(p * ROWS_OF_LANE + b, load_as<uint4>(from, at + p * (KEY_PART / VECTOR)));
        }
    }
    return loaded;
}

// Asks for the values of a step: of each of the four keys that a lane has columns of, the vectors that the number of its first row says.
template <typename T>
METAL_FUNC Vectors load_values(device const T* from, Places places, uint stride, uint first, uint last, uint lane)
{
    const uint vector = fragment_pairs::row(lane, 0);
    Vectors loaded;
#pragma unroll
    for (uint key = 0; key < 4; ++key) {
        const uint column = fragment_pairs::column(lane, key / 2 * 2) + key % 2;
        const uint at = places.row(min(first + column, last)) * stride + vector;
#pragma unroll
        for (uint p = 0; p < HEAD_SIZE / VALUE_PART; ++p) {
            loaded.set(p * 4 + key, load_as<uint4>(from, at + p * (VALUE_PART / VECTOR)));
        }
    }
    return loaded;
}

// Queries of a lane, as they lie in memory: of its head the values whose places its columns have.
struct Queries {
    float4 x[MAX_HEAD_SIZE / KEY_PART * 2];
};

METAL_FUNC Queries load_queries(device const float* q, uint lane)
{
    Queries loaded;
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE / KEY_PART * 2; ++i) {
        loaded.x[i] = load_as<float4>(q + i / 2 * KEY_PART + fragment_pairs::column(lane, 0) / 2 * VECTOR, i % 2);
    }
    return loaded;
}

// Two terms that add up to x.
template <typename T>
METAL_FUNC void split(thread vec<T, 2>* terms, float2 x)
{
    terms[0] = vec<T, 2>(x);
    terms[1] = vec<T, 2>(x - float2(terms[0]));
}

// Makes left operands of them, each row that of a head, multiplied by a power of two that brings them into the range of halves. Returns its inverse.
template <typename T>
METAL_FUNC float make_operands(thread matrix_fragment<T>* operands, thread const Queries& queries)
{
    float largest = 0.0f;
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE / KEY_PART * 2; ++i) {
        const float4 size = fabs(queries.x[i]);
        largest = max(largest, max(max(size.x, size.y), max(size.z, size.w)));
    }
    const float factor = factor_of(max_of_row(largest));
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE / KEY_PART * 2; ++i) {
#pragma unroll
        for (uint columns = 0; columns < 2; ++columns) {
            vec<T, 2> terms[2];
            split(terms, factor * (columns == 0 ? queries.x[i].xy : queries.x[i].zw));
            fragment_pairs::set(operands[i], 2 * columns, terms[0]);
            fragment_pairs::set(operands[i], 2 * columns + 1, terms[1]);
        }
    }
    return inverse_of_power(factor);
}

// What a SIMD group knows so far. A lane's row of fragments is a head; of sums its columns are heads, and its rows values.
struct State {
    narrow_sums sums[MAX_HEAD_SIZE / FRAGMENT];
    float reference;  // the logarithm to base 2 of the score that weights are relative to
    float total;      // of the weights that the lane has computed
};

// The products of queries and keys: those of a lane's head and the keys of its columns.
template <typename T>
METAL_FUNC float4 multiply_by_keys(
    thread const matrix_fragment<T>* operands, thread const Vectors& keys, threadgroup T* scratch, uint lane)
{
    // Two sums, so that neither products wait for as many before them nor what tensor cores truncate adds up.
    sum_fragment sums[2];
    clear(sums[0]);
    clear(sums[1]);
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE / FRAGMENT; ++i) {
        vec<T, 2> pairs[PAIRS];
#pragma unroll
        for (uint pair = 0; pair < PAIRS; ++pair) {
            const uint vector = i / 2 * ROWS_OF_LANE + pair % ROWS_OF_LANE;
            pairs[pair] = as_type<vec<T, 2>>(keys.words[4 * vector + i % 2 * 2 + pair / 2]);
        }
        matrix_fragment<T> right;
        fragment_pairs::set_right(right, pairs, scratch, lane);
        multiply_accumulate(sums[i % 2], operands[i], right);
    }
    float2 products[2];
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
        const float2 high = fragment_pairs::get(sums[0], 2 * i) + fragment_pairs::get(sums[1], 2 * i);
        products[i] = high + (fragment_pairs::get(sums[0], 2 * i + 1) + fragment_pairs::get(sums[1], 2 * i + 1));
    }
    return float4(products[0], products[1]);
}

// Adds values as often as the weights of a lane's head and the keys of its columns say.
template <typename T>
METAL_FUNC void add_values(
    thread State& state, thread const Vectors& values, float4 weights, threadgroup T* scratch, uint lane)
{
    vec<T, 2> pairs[PAIRS];
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
        split(pairs + 2 * i, i == 0 ? weights.xy : weights.zw);
    }
    matrix_fragment<T> right;
    fragment_pairs::set_right(right, pairs, scratch, lane);
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE / FRAGMENT; ++i) {
        matrix_fragment<T> left;
#pragma unroll
        for (uint pair = 0; pair < PAIRS; ++pair) {
            const uint vector = i / 4 * 4 + pair / 2 * 2;
            const uint first = values.words[4 * vector + i % 4];
            const uint second = values.words[4 * (vector + 1) + i % 4];
            const uint both = pair % ROWS_OF_LANE == 0 ? (first & 0xffffu) | second << 16 : first >> 16 | (second & 0xffff0000u);
            fragment_pairs::set(left, pair, as_type<vec<T, 2>>(both));
        }
        multiply_accumulate(state.sums[i], left, right);
    }
}

// Makes sums relative to a higher score of each lane's head, if any has one that needs it.
METAL_FUNC void raise(thread State& state, float highest, uint lane)
{
    if (!simd_any(highest > state.reference + HIGHEST_WEIGHT)) {
        return;
    }
    const float reference = max(state.reference, highest - LIFT);
    const float correction = fast::exp2(state.reference - reference);
    state.reference = reference;
    state.total *= correction;
    const uint head = fragment_pairs::column(lane, 0);
    const float2 of_heads = float2(
        simd_shuffle(correction, ushort(fragment_pairs::lane_of(head))),
        simd_shuffle(correction, ushort(fragment_pairs::lane_of(head + 1))));
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE / FRAGMENT; ++i) {
#pragma unroll
        for (uint pair = 0; pair < ROWS_OF_LANE; ++pair) {
            fragment_pairs::set(state.sums[i], pair, of_heads * fragment_pairs::get(state.sums[i], pair));
        }
    }
}

// Writes the sums of values part * VALUE_PART and on, of as many heads as count, to [HEADS, stride].
METAL_FUNC void write_sums(threadgroup float* to, thread const State& state, uint part, uint stride, uint lane)
{
    const uint head = fragment_pairs::column(lane, 0);
    if (head >= HEADS) {
        return;
    }
    to += head * stride + fragment_pairs::row(lane, 0) * VECTOR;
    float2 both[VECTOR];
#pragma unroll
    for (uint i = 0; i < VECTOR; ++i) {
        both[i] = fragment_pairs::get(state.sums[part * 4 + i / 2], i % 2);
    }
#pragma unroll
    for (uint i = 0; i < VECTOR; i += 4) {
        store_as(to, i / 4, float4(both[i].x, both[i + 1].x, both[i + 2].x, both[i + 3].x));
        store_as(to + stride, i / 4, float4(both[i].y, both[i + 1].y, both[i + 2].y, both[i + 3].y));
    }
}

// out[t, h, :] = sum over visible keys j of softmax_j(scale * q[t, h, :] . k[j, h', :]) * v[j, h', :] with
// h' = h / group. Key j is visible to token t when 0 <= positions[t] - j, and positions[t] - j < window
// unless the window is 0. With sinks, exp(sinks[h]) is added to the denominator of the softmax, as in attention.metal. q and out are [tokens, heads, HEAD_SIZE], k and v are [capacity, kv_heads, HEAD_SIZE], all
// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN. Keys and values may be in a ring, or lie in pages of a pool if PAGED, as in attention.metal.
// Keys and values that the token sees are finite: infinite ones make NaN of all that it gets.
//
// With one split `out` is written; with more it is attention_merge that writes it, and the result for each split goes to partial,
// as attention_partials.h describes it.
//
// The grid is [kv_heads * ceil(group / HEADS), tokens, splits] threadgroups of SIMD_GROUPS SIMD groups.
//
// Threads get as many registers as one SIMD group more would leave them: so the threadgroups of attention_merge find room beside these.
template <typename T>
[[kernel, max_total_threads_per_threadgroup(288)]] void attention_decode(
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
    uint  simd_group     [[simdgroup_index_in_threadgroup]])
{
    let_next_launch_begin();
    // Of all values of four heads, or of a part of eight.
    threadgroup float4 sums[SIMD_GROUPS * MAX_HEADS * VALUE_PART / 4];
    threadgroup float reference_of[SIMD_GROUPS * MAX_HEADS];
    threadgroup float total_of[SIMD_GROUPS * MAX_HEADS];
    threadgroup T* scratch = reinterpret_cast<threadgroup T*>(sums) + simd_group * (FRAGMENT * FRAGMENT);

    // Sets of heads of a key-value head are rarely more than one: no division then.
    uint kv_head = group_position.x;
    uint first_of_key = 0;
    if (params.group > HEADS) {
        const uint blocks = (params.group + HEADS - 1) / HEADS;
        kv_head = group_position.x / blocks;
        first_of_key = group_position.x % blocks * HEADS;
    }
    const uint head = kv_head * params.group + first_of_key;
    // Of the heads from there on: rows beyond it are computed as it is, and not written.
    const uint last_head = min(params.group - first_of_key, HEADS) - 1;
    const uint token = group_position.y;
    const uint split = group_position.z;
    const ulong place = ulong(token) * params.heads + head;

    const uint stride = params.kv_heads * HEAD_SIZE / VECTOR;
    k += kv_head * HEAD_SIZE;
    v += kv_head * HEAD_SIZE;
    const uint step = KEYS * SIMD_GROUPS * params.splits;
    uint begin = (simd_group * params.splits + split) * KEYS;
    uint capacity = params.capacity;
    const Places places =
        places_of(tables, sequence_of, token, params.sequences, params.pages, params.page_shift, params.ring, capacity);
    const int position = positions[token];
    // Where a sequence has pages is not known before its position is, nor where the window is that a ring is for.
    const bool known = !PAGED && params.window == 0;
    Vectors keys = {};
    if (known && begin < capacity) {
        keys = load_keys(k, places, stride, begin, capacity - 1, lane);
    }
    const Queries queries = load_queries(q + (place + min(fragment_pairs::row(lane, 0), last_head)) * HEAD_SIZE, lane);
    Keys seen = {0, 0};
    if (places.has(position, capacity)) {
        seen = places.visible(uint(position), params.window);
    }
    if (params.splits > 1 && split * KEYS >= seen.end - seen.first) {
        if (index <= last_head) {
            store_four(partial + partial_at(place + index, params.splits, split, HEAD_SIZE), float4(-INFINITY, 0.0f, 0.0f, 0.0f));
        }
        return;
    }
    begin += seen.first;
    Vectors values = {};
    if (begin < seen.end) {
        if (!known) {
            keys = load_keys(k, places, stride, begin, seen.end - 1, lane);
        }
        values = load_values(v, places, stride, begin, seen.end - 1, lane);
    }

    matrix_fragment<T> operands[MAX_HEAD_SIZE / FRAGMENT];
    const float inverse = make_operands<T>(operands, queries);
    const float scale = M_LOG2E_F * params.scale * inverse;

    State state;
    state.reference = LOWEST;
    state.total = 0.0f;
#pragma unroll
    for (uint i = 0; i < HEAD_SIZE / FRAGMENT; ++i) {
        clear(state.sums[i]);
    }
    for (uint start = begin; start < seen.end; start += step) {
        float4 scores = scale * multiply_by_keys(operands, keys, scratch, lane);
        const uint next = start + step;
        // Keys beyond the last are the last again, without weight.
        if (next < seen.end) {
            keys = load_keys(k, places, stride, next, seen.end - 1, lane);
        }
#pragma unroll
        for (uint i = 0; i < 4; ++i) {
            if (start + fragment_pairs::column(lane, i / 2 * 2) + i % 2 >= seen.end) {
                scores[i] = -INFINITY;
            }
        }
        raise(state, max_of_row(max(max(scores.x, scores.y), max(scores.z, scores.w))), lane);
        float4 weights;
#pragma unroll
        for (uint i = 0; i < 4; ++i) {
            weights[i] = fast::exp2(scores[i] - state.reference);
            state.total += weights[i];
        }
        add_values(state, values, weights, scratch, lane);
        if (next < seen.end) {
            values = load_values(v, places, stride, next, seen.end - 1, lane);
        }
    }
    state.total = sum_of_row(state.total);

    // SIMD groups meet: the sums of one count as much as its reference does against the highest of all. Where there are no keys, the total is zero and
    // the quotient NaN.
    if (fragment_pairs::column(lane, 0) == 0) {
        reference_of[simd_group * MAX_HEADS + fragment_pairs::row(lane, 0)] = state.reference;
        total_of[simd_group * MAX_HEADS + fragment_pairs::row(lane, 0)] = state.total;
    }
    const uint together = min(HEAD_SIZE, VALUE_PART * MAX_HEADS / HEADS);
    threadgroup float* own = reinterpret_cast<threadgroup float*>(sums) + simd_group * HEADS * together;
#pragma unroll
    for (uint first = 0; first < HEAD_SIZE; first += together) {
        // The first time others may still have their scratch there.
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (uint part = 0; part < together / VALUE_PART; ++part) {
            write_sums(own + part * VALUE_PART, state, first / VALUE_PART + part, together, lane);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint i = 2 * index; i < (last_head + 1) * together; i += 2 * SIMD_GROUPS * LANES) {
            const uint h = i / together;
            const uint column = first + i % together;
            float reference = -INFINITY;
#pragma unroll
            for (uint s = 0; s < SIMD_GROUPS; ++s) {
                reference = max(reference, reference_of[s * MAX_HEADS + h]);
            }
            float2 sum = float2(0.0f);
            float total = 0.0f;
            // Splits meet without it, and it joins them where they do.
            if (params.sinks != 0 && params.splits == 1 && seen.first < seen.end) {
                const float sink = M_LOG2E_F * sinks[head + h];
                reference = max(reference, sink);
                total = fast::exp2(sink - reference);
            }
#pragma unroll
            for (uint s = 0; s < SIMD_GROUPS; ++s) {
                const float factor = fast::exp2(reference_of[s * MAX_HEADS + h] - reference);
                sum += factor * load_as<float2>(reinterpret_cast<threadgroup const float*>(sums) + s * HEADS * together + i, 0);
                total += factor * total_of[s * MAX_HEADS + h];
            }
            if (params.splits == 1) {
                store_two(out + (place + h) * HEAD_SIZE + column, sum * (1.0f / total));
            } else {
                device float* to = partial + partial_at(place + h, params.splits, split, HEAD_SIZE);
                store_two(to + PARTIAL_HEADER + column, sum);
                if (column == 0) {
                    store_four(to, float4(reference, total, 0.0f, 0.0f));
                }
            }
        }
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("attention_decode_" #name)]] [[kernel]] decltype(attention_decode<type>) attention_decode<type>;
INSTANTIATE(f16, half)
