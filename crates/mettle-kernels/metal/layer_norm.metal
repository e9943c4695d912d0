// Layer normalisation (Ba, Kiros and Hinton, "Layer Normalization", 2016).

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// One thread normalises a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Whether there is a weight, and a bias.
constant bool WEIGHT [[function_constant(1)]];
constant bool BIAS [[function_constant(2)]];

#pragma mettle variant(cpu: layer_norm_f32, ROW_PER_THREAD = true, WEIGHT = true, BIAS = true)
#pragma mettle variant(gpu: layer_norm_f32, ROW_PER_THREAD = false, WEIGHT = true, BIAS = true)

struct Params {
    uint columns;
    float eps;
};

// out[r, i] = (x[r, i] - m) / sqrt(v + eps) * weight[i] + bias[i], m being the mean and v the variance of x[r, :]; x and out are
// [rows, columns], weight and bias are [columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T>
kernel void layer_norm(
    device const T*  x      [[buffer(0)]],
    device const T*  weight [[buffer(1)]],
    device const T*  bias   [[buffer(2)]],
    device T*        out    [[buffer(3)]],
    constant Params& params [[buffer(4)]],
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
    x += row;
    out += row;

    wide sums = splat(0.0f);
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        sums = sums + load(x, sixteen_of(group, i), columns);
    }
    const wide about = splat(group_sum(group, sum(sums)) / float(columns));

    // The variance is of differences, so that a mean that is large beside them does no harm; their own mean is what rounding left of
    // it. Behind the row they are zero.
    wide squares = splat(0.0f);
    sums = splat(0.0f);
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide values = within(load(x, at, columns) - about, at, columns);
        sums = sums + values;
        squares = fma(values, values, squares);
    }
    const float left = group_sum(group, sum(sums)) / float(columns);
    const float variance = group_sum(group, sum(squares)) / float(columns) - left * left;
    const wide scale = splat(1.0f / sqrt(max(variance, 0.0f) + params.eps));

    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        wide values = (load(x, at, columns) - about - splat(left)) * scale;
        if (WEIGHT) {
            values = values * load(weight, at, columns);
        }
        if (BIAS) {
            values = values + load(bias, at, columns);
        }
        store(out, at, columns, values);
    }
}

#define INSTANTIATE(name, type) template [[host_name("layer_norm_" #name)]] kernel decltype(layer_norm<type>) layer_norm<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
