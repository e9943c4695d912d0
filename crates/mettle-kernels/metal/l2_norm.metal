// Rows scaled to length one.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/norm.h>

using namespace metal;
using namespace mettle_kernels;

// One thread normalises a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// What keeps short rows from being divided by zero, of the values below.
constant uint EPS [[function_constant(1)]];

// The length is sqrt(sum of squares + eps).
constant constexpr uint IN_ROOT = 0;
// The length is sqrt(sum of squares) + eps.
constant constexpr uint ADDED = 1;
// The length is the larger of sqrt(sum of squares) and eps.
constant constexpr uint FLOOR = 2;

#pragma mettle variant(cpu: l2_norm_f32, ROW_PER_THREAD = true, EPS = 0)
#pragma mettle variant(gpu: l2_norm_f32, ROW_PER_THREAD = false, EPS = 0)

struct Params {
    uint columns;
    float eps;
};

METAL_FUNC float length(float squares, float eps)
{
    switch (EPS) {
        case IN_ROOT: return sqrt(squares + eps);
        case ADDED: return sqrt(squares) + eps;
        default: return max(sqrt(squares), eps);
    }
}

// out[r, i] = x[r, i] / length of x[r, :]; x and out are [rows, columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T>
kernel void l2_norm(
    device const T*  x      [[buffer(0)]],
    device T*        out    [[buffer(1)]],
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
    const ulong row = ulong(ROW_PER_THREAD ? thread_position : group_position) * params.columns;
    const uint columns = params.columns;
    x += row;
    out += row;

    const wide scale = splat(1.0f / length(sum_squares(group, x, columns), params.eps));
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        store(out, at, columns, load(x, at, columns) * scale);
    }
}

#define INSTANTIATE(name, type) template [[host_name("l2_norm_" #name)]] kernel decltype(l2_norm<type>) l2_norm<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
