// Residual streams: what a layer made is added, and the sum normalised for the layers that follow.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/norm.h>

using namespace metal;
using namespace mettle_kernels;

// One thread takes a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// What is added to the stream, of the values below.
constant uint ADDED [[function_constant(1)]];

// Nothing: there is no y.
constant constexpr uint NOTHING = 0;
// y.
constant constexpr uint AS_IT_IS = 1;
// The norm of y.
constant constexpr uint NORMALISED = 2;

// The normalised outputs, up to three.
constant uint OUTPUTS [[function_constant(2)]];

// What normalised values are multiplied by, of the values of mettle/norm.h.
constant uint WEIGHT [[function_constant(3)]];

#pragma mettle variant(cpu: residual_norm_f32, ROW_PER_THREAD = true, ADDED = 2, OUTPUTS = 0, WEIGHT = 1)
#pragma mettle variant(gpu: residual_norm_f32, ROW_PER_THREAD = false, ADDED = 2, OUTPUTS = 0, WEIGHT = 1)

struct Params {
    uint columns;
    float eps;    // of all norms
    float scale;  // of the sum
    float out_scale;  // of the normalised outputs
};

// Sixteen values of the new stream: (stream + y) * scale, or the norm of y instead of it, or nothing.
template <typename T>
METAL_FUNC wide sum_at(
    device const T* stream, device const T* y, device const T* y_weight, float y_scale, Sixteen at, constant Params& params)
{
    if (ADDED == NOTHING) {
        return load(stream, at, params.columns) * splat(params.scale);
    }
    wide values = load(y, at, params.columns);
    if (ADDED == NORMALISED) {
        values = weighted(values * splat(y_scale), y_weight, at, params.columns, WEIGHT);
    }
    return (load(stream, at, params.columns) + values) * splat(params.scale);
}

// stream[r, :] = (stream[r, :] + a[r, :]) * scale, a being y, or rms_norm(y[r, :], y_weight), or zero, as ADDED says; then
// out_k[r, :] = rms_norm(stream[r, :], weight_k) * out_scale of that sum before it is rounded to T, for k below OUTPUTS: see rms_norm.metal. stream,
// y and each out_k are [rows, columns], weights are [columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T>
kernel void residual_norm(
    device T*        stream   [[buffer(0)]],
    device const T*  y        [[buffer(1)]],
    device const T*  y_weight [[buffer(2)]],
    device const T*  weight_0 [[buffer(3)]],
    device const T*  weight_1 [[buffer(4)]],
    device const T*  weight_2 [[buffer(5)]],
    device T*        out_0    [[buffer(6)]],
    device T*        out_1    [[buffer(7)]],
    device T*        out_2    [[buffer(8)]],
    constant Params& params   [[buffer(9)]],
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
    const ulong row = ulong(ROW_PER_THREAD ? thread_position : group_position) * params.columns;
    const uint columns = params.columns;
    const uint sixteens = sixteens_of(group, columns);
    device const T* before = stream + row;
    y += row;

    const float y_scale = ADDED == NORMALISED ? rms_scale(group, y, columns, params.eps) : 1.0f;
    wide squares = splat(0.0f);
    if (OUTPUTS > 0) {
        for (uint i = group.thread_index; i < sixteens; i += group.threads) {
            const wide values = sum_at(before, y, y_weight, y_scale, sixteen_of(group, i), params);
            squares = fma(values, values, squares);
        }
    }
    const wide scale = splat(params.out_scale / sqrt(group_sum(group, sum(squares)) / float(columns) + params.eps));

    // Each thread replaces what only it reads.
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide values = sum_at(before, y, y_weight, y_scale, at, params);
        store(stream + row, at, columns, values);
        if (OUTPUTS > 0) {
            store(out_0 + row, at, columns, weighted(values * scale, weight_0, at, columns, WEIGHT));
        }
        if (OUTPUTS > 1) {
            store(out_1 + row, at, columns, weighted(values * scale, weight_1, at, columns, WEIGHT));
        }
        if (OUTPUTS > 2) {
            store(out_2 + row, at, columns, weighted(values * scale, weight_2, at, columns, WEIGHT));
        }
    }
}

#define INSTANTIATE(name, type) template [[host_name("residual_norm_" #name)]] kernel decltype(residual_norm<type>) residual_norm<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
