// Rows of the state of a gated delta net, chunk by chunk: see gated_delta_net.metal.
#pragma once

#include <metal_stdlib>
#include <mettle/delta_net.h>
#include <mettle/group.h>

using namespace metal;

namespace mettle_kernels {

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
    uint some, constant DeltaNetParams& params)
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

// Rows of the state that a SIMD group has.
constant constexpr uint ROWS_OF_SIMD_GROUP = 2;

// All chunks for rows of a head from `first_row` on, by a SIMD group of a threadgroup that has the keys and queries of a chunk in `rows`, each of STRIDE
// values, with zeros beyond those that there are. Lane l has number l of a chunk, and of rows of the state every 32nd value, which stay in registers.
// Beyond the last row that one is taken again, and not written.
template <uint STRIDE, typename T>
METAL_FUNC void chunks_of_simd_group(
    device const T* value, device const float* all, device float* state, device T* out, threadgroup float* rows, uint head, uint first_row,
    uint thread_index, uint threads, uint lane, constant DeltaNetParams& params)
{
    constexpr uint R = ROWS_OF_SIMD_GROUP;
    constexpr uint KEPT = STRIDE / 32;
    const uint size = params.key_size;
    const uint columns = params.value_heads * params.value_size;
    const uint key_head = key_head_of(head, params);
    uint row[R];
    float kept[R][KEPT];
#pragma unroll
    for (uint r = 0; r < R; ++r) {
        row[r] = head * params.value_size + metal::min(first_row + r, params.value_size - 1);
#pragma unroll
        for (uint s = 0; s < KEPT; ++s) {
            const uint i = lane + 32 * s;
            kept[r][s] = i < size ? state[ulong(row[r]) * size + i] : 0.0f;
        }
    }
    for (uint first = 0; first < params.tokens; first += CHUNK) {
        const uint count = metal::min(CHUNK, params.tokens - first);
        const uint chunk = first / CHUNK;
        device const float* numbers = all + (ulong(chunk) * params.value_heads + head) * CHUNK_FLOATS;
        device const float* from = all + rows_of_chunk(chunk, key_head, params);
        // All have read the rows of the chunk before.
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll 4
        for (uint at = thread_index; at < 2 * CHUNK * STRIDE; at += threads) {
            const uint i = at % STRIDE;
            rows[at] = i < size ? from[at / STRIDE * size + i] : 0.0f;
        }
        const float of_dot = numbers[OF_DOT + lane];
        const float of_key = numbers[OF_KEY + lane % CHUNK];
        const float carry = numbers[CARRY];
        float own[R];
#pragma unroll
        for (uint r = 0; r < R; ++r) {
            own[r] = 0.0f;
            if (lane < count) {
                own[r] = numbers[OF_VALUE + lane] * float(value[ulong(first + lane) * params.value_stride + row[r]]);
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);

        float products[R][2 * CHUNK];
#pragma unroll
        for (uint t = 0; t < 2 * CHUNK; ++t) {
#pragma unroll
            for (uint r = 0; r < R; ++r) {
                products[r][t] = 0.0f;
            }
        }
#pragma unroll
        for (uint s = 0; s < KEPT; ++s) {
            // Keeps all of these from being loaded at once, for which there are not enough registers.
            simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
            for (uint t = 0; t < 2 * CHUNK; ++t) {
                const float x = rows[t * STRIDE + 32 * s + lane];
#pragma unroll
                for (uint r = 0; r < R; ++r) {
                    products[r][t] = metal::fma(kept[r][s], x, products[r][t]);
                }
            }
        }
#pragma unroll
        for (uint r = 0; r < R; ++r) {
            own[r] = metal::fma(of_dot, sum_each<2 * CHUNK>(products[r], lane), own[r]);
        }
        float mix[CHUNK];
#pragma unroll
        for (uint j = 0; j < CHUNK; ++j) {
            mix[j] = numbers[MIX + j * 32 + lane];
        }
#pragma unroll
        for (uint j = 0; j < CHUNK; ++j) {
#pragma unroll
            for (uint r = 0; r < R; ++r) {
                own[r] = metal::fma(mix[j], simd_shuffle(own[r], ushort(j)), own[r]);
            }
        }
#pragma unroll
        for (uint r = 0; r < R; ++r) {
            if (lane >= CHUNK && lane - CHUNK < count && first_row + r < params.value_size) {
                out[ulong(first + lane - CHUNK) * columns + row[r]] = T(own[r]);
            }
#pragma unroll
            for (uint t = 0; t < CHUNK; ++t) {
                products[r][t] = simd_shuffle(own[r] * of_key, ushort(t));
            }
        }
#pragma unroll
        for (uint s = 0; s < KEPT; ++s) {
            simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
            for (uint r = 0; r < R; ++r) {
                kept[r][s] *= carry;
            }
#pragma unroll
            for (uint t = 0; t < CHUNK; ++t) {
                const float x = rows[t * STRIDE + 32 * s + lane];
#pragma unroll
                for (uint r = 0; r < R; ++r) {
                    kept[r][s] = metal::fma(products[r][t], x, kept[r][s]);
                }
            }
        }
    }
#pragma unroll
    for (uint r = 0; r < R; ++r) {
#pragma unroll
        for (uint s = 0; s < KEPT; ++s) {
            const uint i = lane + 32 * s;
            if (i < size && first_row + r < params.value_size) {
                state[ulong(row[r]) * size + i] = kept[r][s];
            }
        }
    }
}

}  // namespace mettle_kernels
