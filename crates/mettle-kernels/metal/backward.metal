// Gradients of what a loss has with respect to inputs, from those with respect to outputs.

#include <metal_stdlib>
#include <mettle/activations.h>
#include <mettle/group.h>
#include <mettle/norm.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// One thread takes a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

#pragma mettle variant(cpu: backward_*, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: backward_*, ROW_PER_THREAD = false)

struct Params {
    uint columns;
    uint rows;
    float scale;  // of scores, or of the gradients of the loss
    float eps;    // of the norm
};


// dx[r, i] = dy[r, i] s (1 + x[r, i] (1 - s)), s being the sigmoid of x[r, i]: of y = silu(x). All are [rows, columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void backward_silu_f32(
    device const float* x      [[buffer(0)]],
    device const float* dy     [[buffer(1)]],
    device float*       dx     [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint thread_index    [[thread_index_in_threadgroup]],
    uint threads         [[threads_per_threadgroup]])
{
    const Group group = ROW_PER_THREAD ? lone_thread() : Group{thread_index, threads, 0, 0, 0, nullptr};
    const uint columns = params.columns;
    const ulong start = ulong(ROW_PER_THREAD ? thread_position : group_position) * columns;
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide value = load(x + start, at, columns);
        const wide s = sigmoid(value);
        const wide slope = s * fma(value, splat(1.0f) - s, splat(1.0f));
        store(dx + start, at, columns, load(dy + start, at, columns) * slope);
    }
}

// With y[r, i] = x[r, i] w[i] f[r] and f[r] = 1 / sqrt(mean of squares of x[r, :] + eps),
// dx[r, i] = f[r] (w[i] dy[r, i] - x[r, i] f[r]^2 mean over j of w[j] dy[r, j] x[r, j]). x, dy and dx are [rows, columns], weight is
// [columns], factors, which becomes f, is [rows].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void backward_rms_norm_f32(
    device const float* x       [[buffer(0)]],
    device const float* weight  [[buffer(1)]],
    device const float* dy      [[buffer(2)]],
    device float*       dx      [[buffer(3)]],
    device float*       factors [[buffer(4)]],
    constant Params&    params  [[buffer(5)]],
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
    const uint row = ROW_PER_THREAD ? thread_position : group_position;
    const uint columns = params.columns;
    const ulong start = ulong(row) * columns;

    wide dots = splat(0.0f);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide weighted_dy = load(weight, at, columns) * load(dy + start, at, columns);
        dots = fma(weighted_dy, load(x + start, at, columns), dots);
    }
    const float factor = rms_scale(group, x + start, columns, params.eps);
    const float mean = group_sum(group, sum(dots)) / float(columns);
    const wide of_x = splat(factor * factor * factor * mean);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide weighted_dy = load(weight, at, columns) * load(dy + start, at, columns);
        store(dx + start, at, columns, splat(factor) * weighted_dy - of_x * load(x + start, at, columns));
    }
    if (group.thread_index == 0) {
        factors[row] = factor;
    }
}

// dw[i] = sum over r of dy[r, i] x[r, i] f[r], with what backward_rms_norm_f32 leaves in factors; dw is [columns].
//
// One thread for sixteen columns, which goes through all rows: so sums have one order.
kernel void backward_rms_norm_weight_f32(
    device const float* x       [[buffer(0)]],
    device const float* dy      [[buffer(1)]],
    device const float* factors [[buffer(2)]],
    device float*       dw      [[buffer(3)]],
    constant Params&    params  [[buffer(4)]],
    uint position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position, !ROW_PER_THREAD);
    const uint columns = params.columns;
    wide total = splat(0.0f);
    for (uint row = 0; row < params.rows; ++row) {
        const ulong start = ulong(row) * columns;
        const wide normed = load(x + start, at, columns) * splat(factors[row]);
        total = fma(load(dy + start, at, columns), normed, total);
    }
    store(dw, at, columns, total);
}

// dx[r, i] = scale y[r, i] (dy[r, i] - sum over j of y[r, j] dy[r, j]): of y = softmax(scale x). All are [rows, columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void backward_softmax_f32(
    device const float* y      [[buffer(0)]],
    device const float* dy     [[buffer(1)]],
    device float*       dx     [[buffer(2)]],
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
    const uint columns = params.columns;
    const ulong start = ulong(ROW_PER_THREAD ? thread_position : group_position) * columns;

    wide dots = splat(0.0f);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        dots = fma(load(y + start, at, columns), load(dy + start, at, columns), dots);
    }
    const wide dot_of_row = splat(group_sum(group, sum(dots)));
    const wide scale = splat(params.scale);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide rest = load(dy + start, at, columns) - dot_of_row;
        store(dx + start, at, columns, scale * load(y + start, at, columns) * rest);
    }
}

// loss[r] = log(sum over i of exp(x[r, i])) - x[r, targets[r]], the cross entropy of softmax(x[r, :]), and
// dx[r, i] = scale (softmax(x[r, :])[i] - (1 if i is the target)). A row whose target is not below `columns` counts nothing: its loss and
// gradients are zero. x and dx are [rows, columns], targets and loss are [rows].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void backward_cross_entropy_f32(
    device const float* x       [[buffer(0)]],
    device const uint*  targets [[buffer(1)]],
    device float*       loss    [[buffer(2)]],
    device float*       dx      [[buffer(3)]],
    constant Params&    params  [[buffer(4)]],
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
    const uint row = ROW_PER_THREAD ? thread_position : group_position;
    const uint columns = params.columns;
    const uint target = targets[row];
    const bool counts = target < columns;
    x += ulong(row) * columns;
    dx += ulong(row) * columns;

    wide maxima = splat(-INFINITY);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        maxima = max(load(x, sixteen_of(group, i), columns, -INFINITY), maxima);
    }
    const float largest_of_row = group_max(group, largest(maxima));
    const wide m = splat(largest_of_row);
    wide sums = splat(0.0f);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        sums = sums + exp(load(x, sixteen_of(group, i), columns, -INFINITY) - m);
    }
    const float total = group_sum(group, sum(sums));
    const wide scale = splat(counts ? params.scale / total : 0.0f);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        wide gradients = exp(load(x, at, columns, -INFINITY) - m) * scale;
        for (uint e = 0; counts && e < WIDE; ++e) {
            if (at.first + e * at.step == target) {
                set_element(gradients, e, element(gradients, e) - params.scale);
            }
        }
        store(dx, at, columns, gradients);
    }
    if (group.thread_index == 0) {
        loss[row] = counts ? precise::log(total) - (x[target] - largest_of_row) : 0.0f;
    }
}
