// Softmax over rows.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

#pragma mettle variant(cpu: softmax_*, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: softmax_*, ROW_PER_THREAD = false)

// Sixteens of a thread that are summed on their own.
constant constexpr uint RUN = 32;

struct Params {
    uint columns;
};

// out[r, i] = exp(x[r, i] - m) / sum over j of exp(x[r, j] - m), m the largest of x[r, :]; x and out are
// [rows, columns], rows of any length. Entries of minus infinity get zero; a row of nothing else gets NaN, as the
// formula says.
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void softmax_f32(
    device const float* x      [[buffer(0)]],
    device float*       out    [[buffer(1)]],
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
    const uint sixteens = sixteens_of(group, columns);
    x += ulong(row) * columns;
    out += ulong(row) * columns;

    wide maxima = splat(-INFINITY);
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        maxima = max(load(x, sixteen_of(group, i), columns, -INFINITY), maxima);
    }
    const wide m = splat(group_max(group, largest(maxima)));

    // Sums of runs are added up, so that long rows keep their precision.
    wide sums = splat(0.0f);
    for (uint start = group.thread_index; start < sixteens; start += RUN * group.threads) {
        wide run = splat(0.0f);
        for (uint i = start; i < min(sixteens, start + RUN * group.threads); i += group.threads) {
            const Sixteen at = sixteen_of(group, i);
            const wide values = exp(load(x, at, columns, -INFINITY) - m);
            store(out, at, columns, values);
            run = run + values;
        }
        sums = sums + run;
    }
    const wide scale = splat(1.0f / group_sum(group, sum(sums)));

    // Each thread rescales what it wrote itself.
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        device const float* written = out;
        store(out, at, columns, load(written, at, columns) * scale);
    }
}
