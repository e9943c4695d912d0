// Running totals of rows.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// One thread adds up a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

#pragma mettle variant(cpu: cumsum_f32, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: cumsum_f32, ROW_PER_THREAD = false)

struct Params {
    uint columns;
};

// The total of what lies before, in two parts, so that long rows keep their precision: what rounding takes from the one goes to the
// other (Knuth's two-sum).
struct Total {
    float value;
    float lost;
};

METAL_FUNC Total plus(Total total, float x)
{
    const float value = total.value + x;
    const float part = value - total.value;
    const float lost = (total.value - (value - part)) + (x - part);
    // Infinite totals lose nothing.
    return Total{value, fabs(value) < INFINITY ? total.lost + lost : 0.0f};
}

// out[r, i] = x[r, 0] + ... + x[r, i]; x and out are [rows, columns].
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T>
kernel void cumsum(
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
    const uint columns = params.columns;
    const ulong row = ulong(ROW_PER_THREAD ? thread_position : group_position) * columns;
    x += row;
    out += row;

    // All threads make the same number of steps, as they add up together; behind the row they add zeros.
    Total before = {0.0f, 0.0f};
    for (uint start = 0; start < columns; start += WIDE * group.threads) {
        const Sixteen at = Sixteen{start + WIDE * group.thread_index, 1};
        wide values = load(x, at, columns);
        float own = 0.0f;
        for (uint i = 0; i < WIDE; ++i) {
            own += element(values, i);
            set_element(values, i, own);
        }
        const float of_group = before.lost + group_sum_before(group, own);
        store(out, at, columns, splat(before.value) + (splat(of_group) + values));
        before = plus(before, group_sum(group, own));
    }
}

#define INSTANTIATE(name, type) template [[host_name("cumsum_" #name)]] kernel decltype(cumsum<type>) cumsum<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
