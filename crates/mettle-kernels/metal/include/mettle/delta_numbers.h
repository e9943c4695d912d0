// What the tokens of a chunk owe each other, made of their queries and keys: see gated_delta_net.metal.
#pragma once

#include <metal_stdlib>
#include <mettle/delta_net.h>
#include <mettle/group.h>

using namespace metal;

namespace mettle_kernels {

// Numbers that a SIMD group multiplies side by side.
constant constexpr uint NUMBERS_ABREAST = 4;

// Floats of threadgroup memory for the products of a number with sixteen keys: one more keeps lanes from meeting in a bank.
constant constexpr uint DOTS_OF_NUMBER = CHUNK + 1;

// A chunk's queries and keys of a head, of `count` tokens.
template <typename T>
struct Tokens {
    device const T* query;
    device const T* key;
    uint count;

    METAL_FUNC bool has(uint number) const { return number % CHUNK < count; }

    // The row of a number; beyond the last token it is taken again.
    METAL_FUNC device const T* row(uint number, constant DeltaNetParams& params) const
    {
        const ulong token = metal::min(number % CHUNK, count - 1);
        return number < CHUNK ? key + token * params.key_stride : query + token * params.query_stride;
    }

    // What a row with such squares is normalised by.
    static METAL_FUNC float factor(uint number, float squares, constant DeltaNetParams& params)
    {
        const float norm = reciprocal_norm(squares, params.eps);
        return number < CHUNK ? norm : norm / metal::sqrt(float(params.key_size));
    }

    // The same of a number, by one thread.
    METAL_FUNC float factor_of(uint number, constant DeltaNetParams& params) const
    {
        device const T* own = row(number, params);
        wide squares = splat(0.0f);
        for (uint at = 0; at < params.key_size; at += WIDE) {
            const wide values = load(own, Sixteen{at, 1}, params.key_size);
            squares = fma(values, values, squares);
        }
        return factor(number, sum(squares), params);
    }

    // Puts a number's row, normalised, where gated_delta_net_chunk reads it; of tokens that there are not, zeros.
    METAL_FUNC void put(device float* rows, uint number, float of_own, constant DeltaNetParams& params) const
    {
        const uint size = params.key_size;
        device const T* own = row(number, params);
        for (uint at = 0; at < size; at += WIDE) {
            const wide values = splat(of_own) * load(own, Sixteen{at, 1}, size);
            store(rows + number * size, Sixteen{at, 1}, size, has(number) ? values : splat(0.0f));
        }
    }

    // The same of all rows by a SIMD group, whose lane l has the factor of number l.
    METAL_FUNC void put_all(device float* rows, float of_own, uint lane, constant DeltaNetParams& params) const
    {
        const uint size = params.key_size;
        for (uint number = 0; number < 2 * CHUNK; ++number) {
            const float factor = simd_shuffle(of_own, ushort(number));
            device const T* own = row(number, params);
            for (uint i = lane; i < size; i += 32) {
                rows[number * size + i] = has(number) ? factor * float(own[i]) : 0.0f;
            }
        }
    }

    // Puts the products of all rows with the keys, these normalised, into dots[number * DOTS_OF_NUMBER + j], by a SIMD group. Gives what the row of number
    // `lane` is normalised by.
    METAL_FUNC float multiply(threadgroup float* dots, uint lane, constant DeltaNetParams& params) const
    {
        const uint size = params.key_size;
        float own_squares = 0.0f;
        for (uint first = 0; first < 2 * CHUNK; first += NUMBERS_ABREAST) {
            float products[NUMBERS_ABREAST * CHUNK];
            float squares[NUMBERS_ABREAST];
#pragma unroll
            for (uint i = 0; i < NUMBERS_ABREAST * CHUNK; ++i) {
                products[i] = 0.0f;
            }
#pragma unroll
            for (uint t = 0; t < NUMBERS_ABREAST; ++t) {
                squares[t] = 0.0f;
            }
            for (uint i = lane; i < size; i += 32) {
                float own[NUMBERS_ABREAST];
#pragma unroll
                for (uint t = 0; t < NUMBERS_ABREAST; ++t) {
                    own[t] = float(row(first + t, params)[i]);
                    squares[t] = metal::fma(own[t], own[t], squares[t]);
                }
#pragma unroll
                for (uint j = 0; j < CHUNK; ++j) {
                    const float other = float(row(j, params)[i]);
#pragma unroll
                    for (uint t = 0; t < NUMBERS_ABREAST; ++t) {
                        products[t * CHUNK + j] = metal::fma(own[t], other, products[t * CHUNK + j]);
                    }
                }
            }
#pragma unroll
            for (uint t = 0; t < NUMBERS_ABREAST; t += 2) {
                const uint number = first + t + lane / CHUNK;
                dots[number * DOTS_OF_NUMBER + lane % CHUNK] = sum_each<2 * CHUNK>(products + t * CHUNK, lane);
            }
#pragma unroll
            for (uint t = 0; t < NUMBERS_ABREAST; ++t) {
                const float all = simd_sum(squares[t]);
                own_squares = lane == first + t ? all : own_squares;
            }
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);
        const float of_own = factor(lane, own_squares, params);
#pragma unroll
        for (uint j = 0; j < CHUNK; ++j) {
            dots[lane * DOTS_OF_NUMBER + j] *= simd_shuffle(of_own, ushort(j));
        }
        return of_own;
    }
};

// Products of a number's row with the chunk's keys, these normalised: made when asked for, or by a SIMD group before.
template <typename T>
struct DotsOfThread {
    Tokens<T> tokens;
    uint number;

    METAL_FUNC float operator()(uint j, constant DeltaNetParams& params) const
    {
        const uint size = params.key_size;
        device const T* own = tokens.row(number, params);
        device const T* other = tokens.row(j, params);
        wide dot = splat(0.0f);
        wide squares = splat(0.0f);
        for (uint at = 0; at < size; at += WIDE) {
            const wide values = load(other, Sixteen{at, 1}, size);
            dot = fma(load(own, Sixteen{at, 1}, size), values, dot);
            squares = fma(values, values, squares);
        }
        return sum(dot) * reciprocal_norm(sum(squares), params.eps);
    }
};

struct DotsOfGroup {
    threadgroup const float* dots;

    METAL_FUNC float operator()(uint j, constant DeltaNetParams&) const { return dots[j]; }
};

// Puts down what a thread's number has of the numbers of a chunk.
template <typename Dots>
METAL_FUNC void put_numbers(
    device float* numbers, Dots dots, uint number, uint count, float of_own, device const float* log_decay, device const float* beta,
    constant DeltaNetParams& params)
{
    const bool reads = number >= CHUNK;
    const uint i = number % CHUNK;
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
        return;
    }
    const float strength = beta[ulong(i) * params.value_heads];
    const float factor = reads ? 1.0f : -strength;

    // From token i back to the first: what is between is added up, not subtracted from a total, which would cancel.
    float since = 0.0f;
#pragma unroll
    for (uint j = CHUNK; j-- > 0;) {
        float mixed = 0.0f;
        if (j < i || (reads && j == i)) {
            mixed = factor * of_own * metal::exp(since) * dots(j, params);
        }
        numbers[MIX + j * 32 + number] = mixed;
        if (j <= i) {
            since += log_decay[ulong(j) * params.value_heads];
        }
    }
    numbers[OF_DOT + number] = factor * metal::exp(since);
    if (reads) {
        return;
    }
    float rest = 0.0f;
    for (uint j = i + 1; j < count; ++j) {
        rest += log_decay[ulong(j) * params.value_heads];
    }
    numbers[OF_VALUE + i] = strength;
    numbers[OF_KEY + i] = metal::exp(rest);
    if (i + 1 == count) {
        numbers[CARRY] = metal::exp(since);
    }
}

}  // namespace mettle_kernels
