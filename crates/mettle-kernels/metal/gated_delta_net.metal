// Linear attention whose state forgets and corrects itself (Yang, Kautz and Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with Delta
// Rule", 2024).
//
// Each value head h has a state S of [value_size, key_size] and reads the queries and keys of one key head. A token with query q, key k (both
// divided by their L2 norm, q by the root of key_size besides), value v, decay g and write strength b does
//
//     S <- g S,   d = b (v - S k),   S <- S + d k^T,   o = S q.
//
// Rows of S do not depend on each other: row i makes value i of the head's output. A row belongs to a thread (CPU) or a SIMD group (GPU), which may
// have several and goes through all tokens: one by one in gated_delta_net_step, in chunks of sixteen in gated_delta_net_chunk, where what tokens of a
// chunk owe each other comes ready from gated_delta_net_prepare.

#include <metal_stdlib>
#include <mettle/delta_chunks.h>
#include <mettle/delta_numbers.h>
#include <mettle/group.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

#pragma mettle variant(cpu: gated_delta_net_*f32, ROW_PER_THREAD = true, TILED = true)
#pragma mettle variant(gpu: gated_delta_net_*f32, ROW_PER_THREAD = false, TILED = true)

// Steps of a row: sixteen values of a thread that has the row for itself, one of each lane of a SIMD group.
template <typename V>
struct steps;

template <>
struct steps<wide> {
    static constant constexpr uint SIZE = WIDE;
    static METAL_FUNC wide of(float x) { return splat(x); }
    static METAL_FUNC float total(wide x) { return sum(x); }
    template <typename P>
    static METAL_FUNC wide read(P row, uint i, uint count) { return load(row, Sixteen{i, 1}, count); }
    static METAL_FUNC void write(device float* row, uint i, uint count, wide x) { store(row, Sixteen{i, 1}, count, x); }
};

template <>
struct steps<float> {
    static constant constexpr uint SIZE = 1;
    static METAL_FUNC float of(float x) { return x; }
    static METAL_FUNC float total(float x) { return simd_sum(x); }
    template <typename P>
    static METAL_FUNC float read(P row, uint i, uint) { return float(row[i]); }
    static METAL_FUNC void write(device float* row, uint i, uint, float x) { row[i] = x; }
};

// The pointers of a value head, at its first token.
template <typename T>
struct Head {
    device const T* query;
    device const T* key;
    device const T* value;  // of one row of the state
    device float* state;    // that row
    device T* out;          // and what it makes
};

template <typename T>
METAL_FUNC Head<T> head_of_row(
    device const T* query, device const T* key, device const T* value, device float* state, device T* out, uint row,
    constant DeltaNetParams& params)
{
    const uint key_head = key_head_of(row / params.value_size, params);
    return Head<T>{query + ulong(key_head) * params.key_size, key + ulong(key_head) * params.key_size, value + row,
                   state + ulong(row) * params.key_size, out + row};
}

// All tokens, one after the other.
template <typename V, typename T>
METAL_FUNC void step_row(
    Head<T> head, device const float* log_decay, device const float* beta, uint lane, uint lanes, constant DeltaNetParams& params)
{
    typedef steps<V> Steps;
    const uint size = params.key_size;
    const uint columns = params.value_heads * params.value_size;
    device const float* state = head.state;
    for (uint t = 0; t < params.tokens; ++t) {
        const float decay = exp(log_decay[ulong(t) * params.value_heads]);
        V dot = Steps::of(0.0f);
        V key_squares = Steps::of(0.0f);
        V query_squares = Steps::of(0.0f);
        for (uint i = Steps::SIZE * lane; i < size; i += Steps::SIZE * lanes) {
            const V key = Steps::read(head.key, i, size);
            const V query = Steps::read(head.query, i, size);
            dot = fma(Steps::read(state, i, size), key, dot);
            key_squares = fma(key, key, key_squares);
            query_squares = fma(query, query, query_squares);
        }
        const float of_key = reciprocal_norm(Steps::total(key_squares), params.eps);
        const float of_query = reciprocal_norm(Steps::total(query_squares), params.eps) / sqrt(float(size));
        const float recalled = decay * Steps::total(dot) * of_key;
        const float written = beta[ulong(t) * params.value_heads] * (float(head.value[0]) - recalled) * of_key;
        V read = Steps::of(0.0f);
        for (uint i = Steps::SIZE * lane; i < size; i += Steps::SIZE * lanes) {
            const V kept = Steps::of(decay) * Steps::read(state, i, size);
            const V next = fma(Steps::of(written), Steps::read(head.key, i, size), kept);
            Steps::write(head.state, i, size, next);
            read = fma(next, Steps::read(head.query, i, size), read);
        }
        const float out = of_query * Steps::total(read);
        if (lane == 0) {
            head.out[ulong(t) * columns] = T(out);
        }
        head.query += params.query_stride;
        head.key += params.key_stride;
        head.value += params.value_stride;
    }
}

// query and key are [tokens, key_heads, key_size], value is [tokens, value_heads, value_size], with or without gaps between tokens; log_decay and
// beta are [tokens, value_heads], state is [value_heads, value_size, key_size] and renewed, out is [tokens, value_heads, value_size].
//
// One thread (ROW_PER_THREAD) or SIMD group for each row of the state.
template <typename T>
kernel void gated_delta_net_step(
    device const T*     query     [[buffer(0)]],
    device const T*     key       [[buffer(1)]],
    device const T*     value     [[buffer(2)]],
    device const float* log_decay [[buffer(3)]],
    device const float* beta      [[buffer(4)]],
    device float*       state     [[buffer(5)]],
    device T*           out       [[buffer(6)]],
    constant DeltaNetParams& params    [[buffer(7)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint lane            [[thread_index_in_simdgroup]],
    uint simd_group      [[simdgroup_index_in_threadgroup]],
    uint simd_groups     [[simdgroups_per_threadgroup]])
{
    const uint row = ROW_PER_THREAD ? thread_position : group_position * simd_groups + simd_group;
    if (row >= params.value_heads * params.value_size) {
        return;
    }
    const Head<T> head = head_of_row(query, key, value, state, out, row, params);
    log_decay += row / params.value_size;
    beta += row / params.value_size;
    if (ROW_PER_THREAD) {
        step_row<wide>(head, log_decay, beta, 0, 1, params);
    } else {
        step_row<float>(head, log_decay, beta, lane, 32, params);
    }
}

// The numbers of a chunk, CHUNK_FLOATS for each chunk and value head, which do not depend on values and state. With G(i, j) the decay over
// tokens j + 1 to i of the chunk, and k and q as normalised above, token i writes d with
//
//     d[i] = b[i] (v[i] - G(i, -1) S k[i]) - sum over j < i of b[i] G(i, j) (k[i] . k[j]) d[j],
//     o[i] = G(i, -1) S q[i] + sum over j <= i of G(i, j) (q[i] . k[j]) d[j],
//
// and the state at the end is G(last, -1) S + sum over j of G(last, j) d[j] k[j]^T.
//
// 32 threads for a chunk of a head, one for each number: the grid is [32 * chunks, value_heads]. On GPUs they are a SIMD group.
template <typename T>
kernel void gated_delta_net_prepare(
    device const T*     query     [[buffer(0)]],
    device const T*     key       [[buffer(1)]],
    device const float* log_decay [[buffer(2)]],
    device const float* beta      [[buffer(3)]],
    device float*       all       [[buffer(4)]],
    constant DeltaNetParams& params    [[buffer(5)]],
    uint2 position [[thread_position_in_grid]])
{
    threadgroup float dots[2 * CHUNK * DOTS_OF_NUMBER];
    const uint head = position.y;
    const uint chunk = position.x / 32;
    const uint number = position.x % 32;
    const uint first = chunk * CHUNK;
    const uint count = min(CHUNK, params.tokens - first);
    device float* numbers = all + (ulong(chunk) * params.value_heads + head) * CHUNK_FLOATS;
    const uint key_head = key_head_of(head, params);
    // The first of the heads that share a key head.
    const bool first_of_key = TILED ? head < params.key_heads : head % (params.value_heads / params.key_heads) == 0;
    device float* rows = all + rows_of_chunk(chunk, key_head, params);
    query += ulong(first) * params.query_stride + ulong(key_head) * params.key_size;
    key += ulong(first) * params.key_stride + ulong(key_head) * params.key_size;
    log_decay += ulong(first) * params.value_heads + head;
    beta += ulong(first) * params.value_heads + head;
    const Tokens<T> tokens = {query, key, count};
    if (ROW_PER_THREAD) {
        const float of_own = tokens.factor_of(number, params);
        if (first_of_key) {
            tokens.put(rows, number, of_own, params);
        }
        const DotsOfThread<T> of_thread = {tokens, number};
        put_numbers(numbers, of_thread, number, count, of_own, log_decay, beta, params);
        return;
    }
    const float of_own = tokens.multiply(dots, number, params);
    if (first_of_key) {
        tokens.put_all(rows, of_own, number, params);
    }
    const DotsOfGroup of_group = {dots + number * DOTS_OF_NUMBER};
    put_numbers(numbers, of_group, number, count, of_own, log_decay, beta, params);
}

// gated_delta_net_step in chunks of sixteen tokens, with what gated_delta_net_prepare made of their keys and queries.
//
// One thread for sixteen rows of the state of a head (ROW_PER_THREAD), or a threadgroup for ROWS_OF_SIMD_GROUP of each of its SIMD groups: the grid is
// [ceil(value_size / rows), value_heads] threadgroups, and `memory` holds the keys and queries of a chunk, 32 of 128 floats, or of 256 for keys of more. Those
// have 256 values at most.
template <typename T>
[[kernel, max_total_threads_per_threadgroup(512)]] void gated_delta_net_chunk(
    device const T*     value  [[buffer(0)]],
    device const float* all    [[buffer(1)]],
    device float*       state  [[buffer(2)]],
    device T*           out    [[buffer(3)]],
    constant DeltaNetParams& params [[buffer(4)]],
    threadgroup float*  memory [[threadgroup(0)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  thread_index    [[thread_index_in_threadgroup]],
    uint  lane            [[thread_index_in_simdgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  simd_groups     [[simdgroups_per_threadgroup]])
{
    if (!ROW_PER_THREAD) {
        const uint first_row = (group_position.x * simd_groups + simd_group) * ROWS_OF_SIMD_GROUP;
        const uint head = group_position.y;
        const uint threads = 32 * simd_groups;
        if (params.key_size <= 128) {
            chunks_of_simd_group<128>(value, all, state, out, memory, head, first_row, thread_index, threads, lane, params);
        } else {
            chunks_of_simd_group<256>(value, all, state, out, memory, head, first_row, thread_index, threads, lane, params);
        }
        return;
    }
    const uint parts = (params.value_size + WIDE - 1) / WIDE;
    const uint head = thread_position.x / parts;
    if (head >= params.value_heads) {
        return;
    }
    const uint first_row = thread_position.x % parts * WIDE;
    const uint count_of_rows = min(WIDE, params.value_size - first_row);
    const uint row = head * params.value_size + first_row;
    const uint key_head = key_head_of(head, params);
    const uint columns = params.value_heads * params.value_size;
    value += row;
    state += ulong(row) * params.key_size;
    out += row;
    for (uint first = 0; first < params.tokens; first += CHUNK) {
        const uint count = min(CHUNK, params.tokens - first);
        const uint chunk = first / CHUNK;
        device const float* numbers = all + (ulong(chunk) * params.value_heads + head) * CHUNK_FLOATS;
        device const float* rows = all + rows_of_chunk(chunk, key_head, params);
        chunk_of_thread(value, numbers, rows, state, out, count, count_of_rows, params);
        value += ulong(CHUNK) * params.value_stride;
        out += ulong(CHUNK) * columns;
    }
}

#define INSTANTIATE(name, type)                                                                                                \
    template [[host_name("gated_delta_net_step_" #name)]] kernel decltype(gated_delta_net_step<type>) gated_delta_net_step<type>; \
    template [[host_name("gated_delta_net_prepare_" #name)]] kernel decltype(gated_delta_net_prepare<type>)                    \
        gated_delta_net_prepare<type>;                                                                                         \
    template [[host_name("gated_delta_net_chunk_" #name)]] [[kernel]] decltype(gated_delta_net_chunk<type>) gated_delta_net_chunk<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
