// Root-mean-square normalisation (Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019).

#include <metal_stdlib>
#include <mettle/activations.h>
#include <mettle/group.h>
#include <mettle/norm.h>

using namespace metal;
using namespace mettle_kernels;

// One thread normalises a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// What a normalised value is multiplied by, of the values of mettle/norm.h.
constant uint WEIGHT [[function_constant(1)]];

// rms_norm_gated_* multiplies by silu(z) rather than by z. Of no meaning for the others.
constant bool SILU [[function_constant(2)]];

#pragma mettle variant(cpu: rms_norm_*f32, ROW_PER_THREAD = true, WEIGHT = 1, SILU = true)
#pragma mettle variant(gpu: rms_norm_*f32, ROW_PER_THREAD = false, WEIGHT = 1, SILU = true)

struct Params {
    uint columns;
    float eps;
    // Where rows go: row r of x is row (r / inner, r % inner) of out, whose strides are in values. For all kernels that have an out.
    uint inner;
    uint outer_stride;
    uint inner_stride;
};

// The places of a row's values in what is written.
METAL_FUNC ulong out_row(uint row, constant Params& params)
{
    return ulong(row / params.inner) * params.outer_stride + ulong(row % params.inner) * params.inner_stride;
}

// out[i] = x[i] * w[i] / sqrt(mean over i of x[i]^2 + eps) for a row, which may be normalised in place; w is one, weight, or 1 + weight.
template <typename T, typename W>
METAL_FUNC void normalise(Group group, device const T* x, device const W* weight, device T* out, constant Params& params)
{
    const uint columns = params.columns;
    const wide scale = splat(rms_scale(group, x, columns, params.eps));
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        store(out, at, columns, weighted(load(x, at, columns) * scale, weight, at, columns, WEIGHT));
    }
}

// out[r, i] = x[r, i] * w[i] / sqrt(mean over i of x[r, i]^2 + eps); x and out are [rows, columns], weight is [columns], and w is
// one, weight, or 1 + weight, as WEIGHT says.
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T, typename W>
kernel void rms_norm(
    device const T*  x      [[buffer(0)]],
    device const W*  weight [[buffer(1)]],
    device T*        out    [[buffer(2)]],
    constant Params& params [[buffer(3)]],
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
    normalise(group, x + ulong(row) * params.columns, weight, out + out_row(row, params), params);
}

// The same in place: x is [rows, columns]. The norm of each head of queries or keys is this on [tokens * heads, head_size].
template <typename T>
kernel void rms_norm_assign(
    device T*        x      [[buffer(0)]],
    device const T*  weight [[buffer(1)]],
    constant Params& params [[buffer(2)]],
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
    device T* row = x + ulong(ROW_PER_THREAD ? thread_position : group_position) * params.columns;
    device const T* from = row;
    normalise(group, from, weight, row, params);
}

// out[r, i] = silu(z[r, i]) * x[r, i] * w[i] / sqrt(mean over i of x[r, i]^2 + eps), the norm behind linear attention, or without the silu; x, z
// and out are [rows, columns], weight is [columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T>
kernel void rms_norm_gated(
    device const T*  x      [[buffer(0)]],
    device const T*  weight [[buffer(1)]],
    device const T*  z      [[buffer(2)]],
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
    const uint row = ROW_PER_THREAD ? thread_position : group_position;
    const uint columns = params.columns;
    x += ulong(row) * columns;
    z += ulong(row) * columns;
    out += out_row(row, params);

    const wide scale = splat(rms_scale(group, x, columns, params.eps));
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide normed = weighted(load(x, at, columns) * scale, weight, at, columns, WEIGHT);
        const wide gate = load(z, at, columns);
        store(out, at, columns, (SILU ? silu(gate) : gate) * normed);
    }
}

// out[r] = sum over i of x[r, i]^2, in f32; x is [rows, columns], out is [rows].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T>
kernel void rms_norm_sum_squares(
    device const T*  x      [[buffer(0)]],
    device float*    out    [[buffer(1)]],
    constant Params& params [[buffer(2)]],
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
    const float total = sum_squares(group, x + ulong(row) * params.columns, params.columns);
    if (group.thread_index == 0) {
        out[row] = total;
    }
}

// rms_norm_f32 whose result goes to out, rows one behind the other, and rounded to `rounded`, where Params say: for those who go on with one or
// the other.
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void rms_norm_dual_f32_bf16(
    device const float* x       [[buffer(0)]],
    device const float* weight  [[buffer(1)]],
    device float*       out     [[buffer(2)]],
    device bfloat*      rounded [[buffer(3)]],
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
    x += ulong(row) * columns;
    out += ulong(row) * columns;
    rounded += out_row(row, params);

    const wide scale = splat(rms_scale(group, x, columns, params.eps));
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        const wide normed = weighted(load(x, at, columns) * scale, weight, at, columns, WEIGHT);
        store(out, at, columns, normed);
        store(rounded, at, columns, normed);
    }
}

#define INSTANTIATE(name, type)                                                                                 \
    template [[host_name("rms_norm_" #name)]] kernel decltype(rms_norm<type, type>) rms_norm<type, type>;       \
    template [[host_name("rms_norm_assign_" #name)]] kernel decltype(rms_norm_assign<type>) rms_norm_assign<type>; \
    template [[host_name("rms_norm_gated_" #name)]] kernel decltype(rms_norm_gated<type>) rms_norm_gated<type>; \
    template [[host_name("rms_norm_sum_squares_" #name)]] kernel decltype(rms_norm_sum_squares<type>)           \
        rms_norm_sum_squares<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)

// Weights as they are in memory of a model of bf16.
template [[host_name("rms_norm_f32_bf16")]] kernel decltype(rms_norm<float, bfloat>) rms_norm<float, bfloat>;
