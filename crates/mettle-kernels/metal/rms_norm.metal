// Root-mean-square normalisation (Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019).

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

// One thread normalises a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

#pragma mettle variant(cpu: rms_norm_*, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: rms_norm_*, ROW_PER_THREAD = false)

struct Params {
    uint columns;
    float eps;
};

// out[i] = x[i] * weight[i] / sqrt(mean over i of x[i]^2 + eps) for a row, which may be normalised in place.
METAL_FUNC void normalise(
    Group group, device const float* x, device const float* weight, device float* out, constant Params& params)
{
    const uint columns = params.columns;
    const uint first = WIDE * group.thread_index;
    const uint stride = WIDE * group.threads;

    wide squares = splat(0.0f);
    for (uint i = first; i < columns; i += stride) {
        const wide values = load_next(x + i, columns - i);
        squares = fma(values, values, squares);
    }
    const float mean = group_sum(group, sum(squares)) / float(columns);
    const wide scale = splat(1.0f / sqrt(mean + params.eps));

    for (uint i = first; i < columns; i += stride) {
        const uint left = columns - i;
        store_next(out + i, load_next(x + i, left) * scale * load_next(weight + i, left), left);
    }
}

// out[r, i] = x[r, i] * weight[i] / sqrt(mean over i of x[r, i]^2 + eps); x and out are [rows, columns], weight is
// [columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void rms_norm_f32(
    device const float* x      [[buffer(0)]],
    device const float* weight [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
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
    normalise(group, x + row, weight, out + row, params);
}

// The same in place: x is [rows, columns]. The norm of each head of queries or keys is this on [tokens * heads, head_size].
kernel void rms_norm_assign_f32(
    device float*       x      [[buffer(0)]],
    device const float* weight [[buffer(1)]],
    constant Params&    params [[buffer(2)]],
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
    device float* row = x + ulong(ROW_PER_THREAD ? thread_position : group_position) * params.columns;
    normalise(group, row, weight, row, params);
}
