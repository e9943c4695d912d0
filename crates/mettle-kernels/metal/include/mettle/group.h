// Work shared by the threads of a threadgroup, or done by one thread alone.
//
// Kernels that reduce rows have two mappings. On a GPU a threadgroup takes a row: thread i works on sixteens i,
// i + threads, ... of it, and partial results meet through the functions below. On a CPU one thread takes a row: it is
// a group of one, its loops run over the whole row, and the functions return what they are given, so that no thread
// ever waits for another.
#pragma once

#include <metal_stdlib>
#include <mettle/across.h>

using namespace metal;

namespace mettle_kernels {

constant constexpr uint MAX_SIMD_GROUPS = 32;

// The calling thread's place in its group.
struct Group {
    uint thread_index;
    uint threads;
    uint lane;
    uint simd_group;
    uint simd_groups;
    threadgroup uint* scratch;  // [MAX_SIMD_GROUPS]
};

// The group of one thread.
METAL_FUNC Group lone_thread()
{
    return Group{0, 1, 0, 0, 1, nullptr};
}

// Reductions of a SIMD group, to be chosen as template arguments.
struct Sum {
    template <typename T>
    static METAL_FUNC T over_lanes(T x) { return simd_sum(x); }
};

struct Max {
    template <typename T>
    static METAL_FUNC T over_lanes(T x) { return simd_max(x); }
};

struct Min {
    template <typename T>
    static METAL_FUNC T over_lanes(T x) { return simd_min(x); }
};

// Reduces x over all threads of the group and gives every thread the result. T is float, int or uint; `identity` is the
// value that changes nothing. All threads of the group must call it together.
template <typename Reduction, typename T>
METAL_FUNC T reduce(Group group, T x, T identity)
{
    if (group.threads == 1) {
        return x;
    }
    x = Reduction::over_lanes(x);
    if (group.simd_groups == 1) {
        return x;
    }
    // The first barrier keeps this call from overwriting what a slower thread still reads from the previous one.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (group.lane == 0) {
        group.scratch[group.simd_group] = as_type<uint>(x);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    x = group.lane < group.simd_groups ? as_type<T>(group.scratch[group.lane]) : identity;
    return Reduction::over_lanes(x);
}

template <typename T>
METAL_FUNC T group_sum(Group group, T x)
{
    return reduce<Sum>(group, x, T(0));
}

METAL_FUNC float group_max(Group group, float x) { return reduce<Max>(group, x, -INFINITY); }

METAL_FUNC uint group_min(Group group, uint x) { return reduce<Min>(group, x, UINT_MAX); }

METAL_FUNC uint group_max(Group group, uint x) { return reduce<Max>(group, x, 0u); }

// The sum of x over the threads before the calling one.
template <typename T>
METAL_FUNC T group_sum_before(Group group, T x)
{
    if (group.threads == 1) {
        return T(0);
    }
    T before = simd_prefix_exclusive_sum(x);
    if (group.simd_groups == 1) {
        return before;
    }
    const T total = simd_sum(x);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (group.lane == 0) {
        group.scratch[group.simd_group] = as_type<uint>(total);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = 0; i < group.simd_group; ++i) {
        before += as_type<T>(group.scratch[i]);
    }
    return before;
}

// The sums over the lanes of a SIMD group of N values each: lane l gets that of value l / (32 / N). N is a power of two, up
// to 32; `values` are used up, and all lanes call it. Each exchange leaves half of the values, so that there are about N of them instead of 5 N.
template <ushort N>
METAL_FUNC float sum_each(thread float* values, uint lane)
{
    ushort mask = 16;
#pragma unroll
    for (ushort half_of = N / 2; half_of > 0; half_of /= 2) {
        const bool upper = lane & mask;
#pragma unroll
        for (ushort i = 0; i < half_of; ++i) {
            const float keep = upper ? values[i + half_of] : values[i];
            const float give = upper ? values[i] : values[i + half_of];
            values[i] = keep + across(give, mask);
        }
        mask /= 2;
    }
#pragma unroll
    for (; mask > 0; mask /= 2) {
        values[0] += across(values[0], mask);
    }
    return values[0];
}

// Makes what the threads of the group wrote to device and threadgroup memory visible to all of them.
METAL_FUNC void group_barrier(Group group)
{
    if (group.threads > 1) {
        threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    }
}

}  // namespace mettle_kernels
