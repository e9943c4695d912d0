// The position of the largest value of each row.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

// One thread searches a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

#pragma mettle variant(cpu: argmax_*, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: argmax_*, ROW_PER_THREAD = false)

struct Params {
    uint columns;
};

// out[r] = the lowest i at which x[r, i] is the largest of the row; x is [rows, columns], out is [rows]. NaN is never the
// largest; a row of nothing but NaN gives `columns`, an index that no row has.
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void argmax_f32(
    device const float* x      [[buffer(0)]],
    device uint*        out    [[buffer(1)]],
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
    const uint row = ROW_PER_THREAD ? thread_position : group_position;
    const uint columns = params.columns;
    x += ulong(row) * columns;

    wide maxima = splat(-INFINITY);
    for (uint i = WIDE * group.thread_index; i < columns; i += WIDE * group.threads) {
        maxima = max(load_next(x + i, columns - i, -INFINITY), maxima);
    }
    const float best = group_max(group, largest(maxima));

    uint found = columns;
    for (uint i = group.thread_index; i < columns; i += group.threads) {
        found = min(found, x[i] == best ? i : columns);
    }
    found = group_min(group, found);

    if (group.thread_index == 0) {
        out[row] = found;
    }
}
