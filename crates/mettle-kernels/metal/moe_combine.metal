// What the experts of a token made, put together.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/norm.h>

using namespace metal;
using namespace mettle_kernels;

// One thread takes a token by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// The rows of y are where `rows` says, rather than those of a token side by side.
constant bool SORTED [[function_constant(1)]];

// The result is added to what is in out.
constant bool ADD [[function_constant(2)]];

// What an expert that all tokens have is multiplied by, of the values below.
constant uint SHARED [[function_constant(3)]];

// There is none.
constant constexpr uint NONE = 0;
// One.
constant constexpr uint AS_IT_IS = 1;
// The sigmoid of the token's gate.
constant constexpr uint GATED = 2;
// What normalises it and its weight; it is not part of the sum that NORM normalises.
constant constexpr uint NORMALISED = 3;

// The sum is normalised before it is added or stored.
constant bool NORM [[function_constant(4)]];

#pragma mettle variant(cpu: moe_combine_f32, ROW_PER_THREAD = true, SORTED = false, ADD = true, SHARED = 0, NORM = false)
#pragma mettle variant(cpu: moe_combine_f32, ROW_PER_THREAD = true, SORTED = true, ADD = true, SHARED = 0, NORM = false)
#pragma mettle variant(gpu: moe_combine_f32, ROW_PER_THREAD = false, SORTED = false, ADD = true, SHARED = 0, NORM = false)
#pragma mettle variant(gpu: moe_combine_f32, ROW_PER_THREAD = false, SORTED = true, ADD = true, SHARED = 0, NORM = false)

struct Params {
    uint columns;
    uint slots;  // experts of a token
    float eps;   // of the norm
    float shared_eps;  // of that of what is shared
};

// What a token's row is made of.
template <typename T, typename U>
struct Token {
    device const T* y;
    device const float* weights;
    device const uint* rows;
    device const U* shared;
    float factor;  // of shared

    // Sixteen values of the sum.
    METAL_FUNC wide sum_at(Sixteen at, uint first, constant Params& params) const
    {
        wide sum = splat(0.0f);
        if (SHARED == AS_IT_IS || SHARED == GATED) {
            sum = load(shared, at, params.columns) * splat(factor);
        }
        for (uint slot = 0; slot < params.slots; ++slot) {
            const uint row = SORTED ? rows[slot] : first + slot;
            sum = fma(splat(weights[slot]), load(y + ulong(row) * params.columns, at, params.columns), sum);
        }
        return sum;
    }
};

// out[t, :] = sum over s of weights[t, s] * y[row of (t, s), :] + shared[t, :] * sigmoid(gate[t]), the last term without the sigmoid or not at
// all as SHARED says; its RMS norm with NORM, see rms_norm.metal; that of shared[t, :] added with SHARED == NORMALISED; added to what is in
// out with ADD. y is [any, columns], weights and rows are [tokens, slots], shared and out are [tokens, columns], gate is [tokens], norm and
// shared_norm are [columns]. What is not used is not read.
//
// One thread (ROW_PER_THREAD) or threadgroup for each token.
template <typename T, typename U>
kernel void moe_combine(
    device const T*     y       [[buffer(0)]],
    device const float* weights [[buffer(1)]],
    device const uint*  rows    [[buffer(2)]],
    device const U*     shared  [[buffer(3)]],
    device const float* gate    [[buffer(4)]],
    device const U*     norm    [[buffer(5)]],
    device const U*     shared_norm [[buffer(6)]],
    device U*           out     [[buffer(7)]],
    constant Params&    params  [[buffer(8)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint thread_index    [[thread_index_in_threadgroup]],
    uint threads         [[threads_per_threadgroup]],
    uint lane            [[thread_index_in_simdgroup]],
    uint simd_group      [[simdgroup_index_in_threadgroup]],
    uint simd_groups     [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group =
        ROW_PER_THREAD ? lone_thread() : Group{thread_index, threads, lane, simd_group, simd_groups, scratch};
    const uint t = ROW_PER_THREAD ? thread_position : group_position;
    const uint columns = params.columns;
    const uint first_row = t * params.slots;
    const ulong start = ulong(t) * columns;
    Token<T, U> token = {y, weights + first_row, rows, shared, 1.0f};
    if (SORTED) {
        token.rows += first_row;
    }
    if (SHARED) {
        token.shared += start;
    }
    if (SHARED == GATED) {
        // By an exponential that does not overflow.
        const float e = precise::exp(-fabs(gate[t]));
        token.factor = (gate[t] < 0.0f ? e : 1.0f) / (1.0f + e);
    }

    const uint sixteens = sixteens_of(group, columns);
    wide scale = splat(1.0f);
    if (NORM) {
        wide squares = splat(0.0f);
        for (uint i = group.thread_index; i < sixteens; i += group.threads) {
            const wide values = token.sum_at(sixteen_of(group, i), first_row, params);
            squares = fma(values, values, squares);
        }
        scale = splat(1.0f / sqrt(group_sum(group, sum(squares)) / float(columns) + params.eps));
    }
    const wide shared_scale =
        splat(SHARED == NORMALISED ? rms_scale(group, token.shared, columns, params.shared_eps) : 1.0f);
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        wide values = token.sum_at(at, first_row, params);
        if (NORM) {
            values = weighted(values * scale, norm, at, columns, TIMES);
        }
        if (SHARED == NORMALISED) {
            values = values + weighted(load(token.shared, at, columns) * shared_scale, shared_norm, at, columns, TIMES);
        }
        if (ADD) {
            values = values + load(out + start, at, columns);
        }
        store(out + start, at, columns, values);
    }
}

#define INSTANTIATE(name, type, out_type) \
    template [[host_name("moe_combine_" #name)]] kernel decltype(moe_combine<type, out_type>) moe_combine<type, out_type>;
INSTANTIATE(f32, float, float)
INSTANTIATE(f16, half, half)
INSTANTIATE(bf16, bfloat, bfloat)
INSTANTIATE(bf16_f32, bfloat, float)
