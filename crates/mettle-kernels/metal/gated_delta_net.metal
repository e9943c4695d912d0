// Linear attention whose state forgets and corrects itself (Yang, Kautz and Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with Delta
// Rule", 2024).
//
// Each value head h has a state S of [value_size, key_size] and reads the queries and keys of one key head. A token with query q, key k (both
// divided by their L2 norm, q by the root of key_size besides), value v, decay g and write strength b does
//
//     S <- g S,   d = b (v - S k),   S <- S + d k^T,   o = S q.
//
// Rows of S do not depend on each other: row i makes value i of the head's output. A row belongs to one thread (CPU) or one SIMD group (GPU),
// which goes through all tokens: one by one in gated_delta_net_step, in chunks of sixteen in gated_delta_net_chunk, where what tokens of a
// chunk owe each other comes ready from gated_delta_net_prepare.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// One thread does a row of the state by itself (CPU) instead of a SIMD group together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Value head h reads key head h % key_heads, as GGUF files of Qwen3.5 have it, instead of h / (value_heads / key_heads).
constant bool TILED [[function_constant(1)]];

#pragma mettle variant(cpu: gated_delta_net_*f32, ROW_PER_THREAD = true, TILED = true)
#pragma mettle variant(gpu: gated_delta_net_*f32, ROW_PER_THREAD = false, TILED = true)

struct Params {
    uint key_heads;
    uint value_heads;
    uint key_size;    // of a head of queries or keys
    uint value_size;  // of a head of values
    uint tokens;
    // Values from one token to the next.
    uint query_stride;
    uint key_stride;
    uint value_stride;
    float eps;  // added to the squares of the L2 norms
};

// Tokens of a chunk.
constant constexpr uint CHUNK = 16;

// What gated_delta_net_prepare leaves for each chunk and value head, in floats. Numbers 0 to 15 stand for what tokens of the chunk write, 16 to
// 31 for what they read.
constant constexpr uint MIX = 0;         // [16][32]: how much of what token j writes comes into number l
constant constexpr uint OF_DOT = 512;    // [32]: factor of the product of the state with the key or the query
constant constexpr uint OF_VALUE = 544;  // [16]: factor of the value
constant constexpr uint OF_KEY = 560;    // [16]: factor of the key in the state at the end of the chunk
constant constexpr uint CARRY = 576;     // what the state before the chunk is multiplied by at its end
constant constexpr uint CHUNK_FLOATS = 592;

// Behind all of these lie the keys and queries as normalised, [chunks, key_heads, 32, key_size]: sixteen keys, then sixteen queries, side by side
// as they are not where they come from, whose rows may be a power of two apart and fall into the same few places of a cache.
METAL_FUNC ulong rows_of_chunk(uint chunk, uint key_head, constant Params& params)
{
    const uint chunks = (params.tokens + CHUNK - 1) / CHUNK;
    return ulong(chunks) * params.value_heads * CHUNK_FLOATS +
           (ulong(chunk) * params.key_heads + key_head) * 2 * CHUNK * params.key_size;
}

METAL_FUNC uint key_head_of(uint value_head, constant Params& params)
{
    return TILED ? value_head % params.key_heads : value_head / (params.value_heads / params.key_heads);
}

METAL_FUNC float reciprocal_norm(float squares, float eps) { return 1.0f / sqrt(squares + eps); }

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
    constant Params& params)
{
    const uint key_head = key_head_of(row / params.value_size, params);
    return Head<T>{query + ulong(key_head) * params.key_size, key + ulong(key_head) * params.key_size, value + row,
                   state + ulong(row) * params.key_size, out + row};
}

// All tokens, one after the other.
template <typename V, typename T>
METAL_FUNC void step_row(
    Head<T> head, device const float* log_decay, device const float* beta, uint lane, uint lanes, constant Params& params)
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
    constant Params&    params    [[buffer(7)]],
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
// 32 threads for a chunk of a head, one for each number: the grid is [32 * chunks, value_heads].
template <typename T>
kernel void gated_delta_net_prepare(
    device const T*     query     [[buffer(0)]],
    device const T*     key       [[buffer(1)]],
    device const float* log_decay [[buffer(2)]],
    device const float* beta      [[buffer(3)]],
    device float*       all       [[buffer(4)]],
    constant Params&    params    [[buffer(5)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint head = position.y;
    const uint chunk = position.x / 32;
    const uint number = position.x % 32;
    const uint size = params.key_size;
    const uint first = chunk * CHUNK;
    const uint count = min(CHUNK, params.tokens - first);
    const bool reads = number >= CHUNK;
    const uint i = number % CHUNK;
    device float* numbers = all + (ulong(chunk) * params.value_heads + head) * CHUNK_FLOATS;
    const uint key_head = key_head_of(head, params);
    // The first of the heads that share a key head.
    const bool first_of_key = TILED ? head < params.key_heads : head % (params.value_heads / params.key_heads) == 0;
    device float* row = all + rows_of_chunk(chunk, key_head, params) + ulong(number) * size;
    if (i >= count) {
        // Tokens behind the last bring nothing.
        for (uint j = 0; j < CHUNK; ++j) {
            numbers[MIX + j * 32 + number] = 0.0f;
        }
        numbers[OF_DOT + number] = 0.0f;
        if (!reads) {
            numbers[OF_VALUE + i] = 0.0f;
            numbers[OF_KEY + i] = 0.0f;
        }
        for (uint at = 0; first_of_key && at < size; at += WIDE) {
            store(row, Sixteen{at, 1}, size, splat(0.0f));
        }
        return;
    }
    query += ulong(first) * params.query_stride + ulong(key_head) * size;
    key += ulong(first) * params.key_stride + ulong(key_head) * size;
    log_decay += ulong(first) * params.value_heads + head;
    beta += ulong(first) * params.value_heads + head;

    device const T* own = reads ? query + ulong(i) * params.query_stride : key + ulong(i) * params.key_stride;
    wide squares = splat(0.0f);
    for (uint at = 0; at < size; at += WIDE) {
        const wide values = load(own, Sixteen{at, 1}, size);
        squares = fma(values, values, squares);
    }
    const float norm = reciprocal_norm(sum(squares), params.eps);
    const float of_own = reads ? norm / sqrt(float(size)) : norm;
    for (uint at = 0; first_of_key && at < size; at += WIDE) {
        store(row, Sixteen{at, 1}, size, splat(of_own) * load(own, Sixteen{at, 1}, size));
    }
    const float strength = beta[ulong(i) * params.value_heads];
    const float factor = reads ? 1.0f : -strength;

    // From token i back to the first: what is between is added up, not subtracted from a total, which would cancel.
    float since = 0.0f;
    for (uint j = CHUNK; j-- > 0;) {
        float mixed = 0.0f;
        if (j < i || (reads && j == i)) {
            device const T* other = key + ulong(j) * params.key_stride;
            wide dot = splat(0.0f);
            wide other_squares = splat(0.0f);
            for (uint at = 0; at < size; at += WIDE) {
                const wide values = load(other, Sixteen{at, 1}, size);
                dot = fma(load(own, Sixteen{at, 1}, size), values, dot);
                other_squares = fma(values, values, other_squares);
            }
            mixed = factor * of_own * exp(since) * sum(dot) * reciprocal_norm(sum(other_squares), params.eps);
        }
        numbers[MIX + j * 32 + number] = mixed;
        if (j <= i) {
            since += log_decay[ulong(j) * params.value_heads];
        }
    }
    numbers[OF_DOT + number] = factor * exp(since);
    if (reads) {
        return;
    }
    float rest = 0.0f;
    for (uint j = i + 1; j < count; ++j) {
        rest += log_decay[ulong(j) * params.value_heads];
    }
    numbers[OF_VALUE + i] = strength;
    numbers[OF_KEY + i] = exp(rest);
    if (i + 1 == count) {
        numbers[CARRY] = exp(since);
    }
}

// Tokens whose products a thread makes side by side, so that none waits for the one before.
constant constexpr uint ABREAST = 4;

// Sixteen values of a thread's own.
METAL_FUNC wide gathered(thread const float* values)
{
    wide x = splat(0.0f);
#pragma unroll
    for (uint i = 0; i < WIDE; ++i) {
        set_element(x, i, values[i]);
    }
    return x;
}

// Sixteen tokens of a row: `state` becomes that of the end, and `values`, of the tokens, what they read. `rows` are their keys and queries.
METAL_FUNC void chunk_of_row(
    device float* state, device const float* numbers, device const float* rows, thread float* values, uint size)
{
    device const float* kept = state;
    float of_keys[CHUNK];
    float of_queries[CHUNK];
    for (uint first = 0; first < CHUNK; first += ABREAST) {
        device const float* keys = rows + first * size;
        device const float* queries = keys + CHUNK * size;
        wide key_dots[ABREAST];
        wide query_dots[ABREAST];
#pragma unroll
        for (uint t = 0; t < ABREAST; ++t) {
            key_dots[t] = splat(0.0f);
            query_dots[t] = splat(0.0f);
        }
        for (uint i = 0; i < size; i += WIDE) {
            const Sixteen at = Sixteen{i, 1};
            const wide of_state = load(kept, at, size);
#pragma unroll
            for (uint t = 0; t < ABREAST; ++t) {
                key_dots[t] = fma(of_state, load(keys + t * size, at, size), key_dots[t]);
                query_dots[t] = fma(of_state, load(queries + t * size, at, size), query_dots[t]);
            }
        }
#pragma unroll
        for (uint t = 0; t < ABREAST; ++t) {
            of_keys[first + t] = sum(key_dots[t]);
            of_queries[first + t] = sum(query_dots[t]);
        }
    }
    wide written = fma(load(numbers + OF_DOT), gathered(of_keys), load(numbers + OF_VALUE) * gathered(values));
    wide read = load(numbers + OF_DOT + CHUNK) * gathered(of_queries);
#pragma unroll
    for (uint j = 0; j < CHUNK; ++j) {
        const wide of_token = splat(element(written, j));
        written = fma(load(numbers + MIX + j * 32), of_token, written);
        read = fma(load(numbers + MIX + j * 32 + CHUNK), of_token, read);
    }
    written = written * load(numbers + OF_KEY);
#pragma unroll
    for (uint t = 0; t < CHUNK; ++t) {
        of_keys[t] = element(written, t);
        values[t] = element(read, t);
    }
    const wide carry = splat(numbers[CARRY]);
    for (uint i = 0; i < size; i += WIDE) {
        const Sixteen at = Sixteen{i, 1};
        wide even = carry * load(kept, at, size);
        wide odd = splat(0.0f);
#pragma unroll
        for (uint t = 0; t < CHUNK; t += 2) {
            even = fma(splat(of_keys[t]), load(rows + t * size, at, size), even);
            odd = fma(splat(of_keys[t + 1]), load(rows + (t + 1) * size, at, size), odd);
        }
        store(state, at, size, even + odd);
    }
}

// A chunk of `count` tokens for up to sixteen rows of a head, by one thread: it takes the values of a token, and gives what it reads, at once.
template <typename T>
METAL_FUNC void chunk_of_thread(
    device const T* value, device const float* numbers, device const float* rows, device float* state, device T* out, uint count,
    uint some, constant Params& params)
{
    const uint size = params.key_size;
    const uint columns = params.value_heads * params.value_size;
    const Sixteen at = Sixteen{0, 1};
    // Those of a row together.
    float values[WIDE * CHUNK];
    for (uint t = 0; t < CHUNK; ++t) {
        const wide of_token = t < count ? load(value + ulong(t) * params.value_stride, at, some) : splat(0.0f);
#pragma unroll
        for (uint row = 0; row < WIDE; ++row) {
            values[row * CHUNK + t] = element(of_token, row);
        }
    }
    for (uint row = 0; row < some; ++row) {
        chunk_of_row(state + ulong(row) * size, numbers, rows, values + row * CHUNK, size);
    }
    for (uint t = 0; t < count; ++t) {
        wide of_token = splat(0.0f);
#pragma unroll
        for (uint row = 0; row < WIDE; ++row) {
            set_element(of_token, row, values[row * CHUNK + t]);
        }
        store(out + ulong(t) * columns, at, some, of_token);
    }
}

// A chunk of `count` tokens for a row, by a SIMD group: lane l has number l of the chunk.
template <typename T>
METAL_FUNC void chunk_of_simd_group(
    device const T* value, device const float* numbers, device const float* rows, device float* state, device T* out, uint count,
    uint lane, constant Params& params)
{
    const uint size = params.key_size;
    const uint columns = params.value_heads * params.value_size;
    device const float* kept = state;
    float products[2 * CHUNK];
#pragma unroll
    for (uint t = 0; t < 2 * CHUNK; ++t) {
        products[t] = 0.0f;
    }
    for (uint i = lane; i < size; i += 32) {
        const float of_state = kept[i];
#pragma unroll
        for (uint t = 0; t < 2 * CHUNK; ++t) {
            products[t] = fma(of_state, rows[t * size + i], products[t]);
        }
    }
    float own = numbers[OF_DOT + lane] * sum_each<2 * CHUNK>(products, lane);
    if (lane < count) {
        own = fma(numbers[OF_VALUE + lane], float(value[ulong(lane) * params.value_stride]), own);
    }
    for (uint j = 0; j < count; ++j) {
        own = fma(numbers[MIX + j * 32 + lane], simd_shuffle(own, ushort(j)), own);
    }
    if (lane >= CHUNK && lane - CHUNK < count) {
        out[ulong(lane - CHUNK) * columns] = T(own);
    }
    const float of_key = own * numbers[OF_KEY + lane % CHUNK];
    const float carry = numbers[CARRY];
#pragma unroll
    for (uint t = 0; t < CHUNK; ++t) {
        products[t] = simd_shuffle(of_key, ushort(t));
    }
    for (uint i = lane; i < size; i += 32) {
        float next = carry * kept[i];
#pragma unroll
        for (uint t = 0; t < CHUNK; ++t) {
            next = fma(products[t], rows[t * size + i], next);
        }
        state[i] = next;
    }
}

// gated_delta_net_step in chunks of sixteen tokens, with what gated_delta_net_prepare made of their keys and queries.
//
// One thread for sixteen rows of the state of a head (ROW_PER_THREAD), or a SIMD group for each row.
template <typename T>
kernel void gated_delta_net_chunk(
    device const T*     value  [[buffer(0)]],
    device const float* all    [[buffer(1)]],
    device float*       state  [[buffer(2)]],
    device T*           out    [[buffer(3)]],
    constant Params&    params [[buffer(4)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint lane            [[thread_index_in_simdgroup]],
    uint simd_group      [[simdgroup_index_in_threadgroup]],
    uint simd_groups     [[simdgroups_per_threadgroup]])
{
    const uint some = ROW_PER_THREAD ? WIDE : 1;
    const uint parts = (params.value_size + some - 1) / some;
    const uint part = ROW_PER_THREAD ? thread_position : group_position * simd_groups + simd_group;
    const uint head = part / parts;
    if (head >= params.value_heads) {
        return;
    }
    const uint first_row = part % parts * some;
    const uint count_of_rows = min(some, params.value_size - first_row);
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
        if (ROW_PER_THREAD) {
            chunk_of_thread(value, numbers, rows, state, out, count, count_of_rows, params);
        } else {
            chunk_of_simd_group(value, numbers, rows, state, out, count, lane, params);
        }
        value += ulong(CHUNK) * params.value_stride;
        out += ulong(CHUNK) * columns;
    }
}

#define INSTANTIATE(name, type)                                                                                                \
    template [[host_name("gated_delta_net_step_" #name)]] kernel decltype(gated_delta_net_step<type>) gated_delta_net_step<type>; \
    template [[host_name("gated_delta_net_prepare_" #name)]] kernel decltype(gated_delta_net_prepare<type>)                    \
        gated_delta_net_prepare<type>;                                                                                         \
    template [[host_name("gated_delta_net_chunk_" #name)]] kernel decltype(gated_delta_net_chunk<type>) gated_delta_net_chunk<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
