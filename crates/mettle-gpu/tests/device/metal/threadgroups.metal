// Threadgroups: barriers, static and dynamic memory, atomics, and barriers that can never complete.

#include <metal_stdlib>

using namespace metal;

// The sum of each threadgroup, by halving. The size is a power of two, at most 1024.
kernel void halving(
    device const float* in  [[buffer(0)]],
    device float*       out [[buffer(1)]],
    uint i     [[thread_position_in_grid]],
    uint t     [[thread_index_in_threadgroup]],
    uint group [[threadgroup_position_in_grid]],
    uint size  [[threads_per_threadgroup]])
{
    threadgroup float partial[1024];
    partial[t] = in[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint half_size = size / 2; half_size > 0; half_size /= 2) {
        if (t < half_size) {
            partial[t] += partial[t + half_size];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (t == 0) {
        out[group] = partial[0];
    }
}

// Reverses each threadgroup's values through two arrays chosen by the host, which must not overlap.
kernel void reverse(
    device const uint* in       [[buffer(0)]],
    device uint*       out      [[buffer(1)]],
    threadgroup uint*  forward  [[threadgroup(0)]],
    threadgroup uchar* marks    [[threadgroup(1)]],
    uint i    [[thread_position_in_grid]],
    uint t    [[thread_index_in_threadgroup]],
    uint size [[threads_per_threadgroup]])
{
    forward[t] = in[i];
    marks[t] = uchar(t);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = forward[size - 1 - t] + (marks[t] == uchar(t) ? 0u : 1000000u);
}

kernel void histogram(
    device const uint*  values [[buffer(0)]],
    device atomic_uint* bins   [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    atomic_fetch_add_explicit(&bins[values[i] % 16], 1u, memory_order_relaxed);
}

// A sum in groups of three directions: each thread's index in its group, added up by the group.
kernel void boxes(
    device uint* out [[buffer(0)]],
    uint  t      [[thread_index_in_threadgroup]],
    uint3 group  [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]],
    uint3 size   [[threads_per_threadgroup]])
{
    threadgroup atomic_uint sum;
    if (t == 0) {
        atomic_store_explicit(&sum, 0u, memory_order_relaxed);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    atomic_fetch_add_explicit(&sum, t, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (t == size.x * size.y * size.z - 1) {
        out[(group.z * groups.y + group.y) * groups.x + group.x] = atomic_load_explicit(&sum, memory_order_relaxed);
    }
}

// One thread of group `which` returns before the barrier.
kernel void early_return(
    device uint*   out   [[buffer(0)]],
    constant uint& which [[buffer(1)]],
    uint t     [[thread_index_in_threadgroup]],
    uint group [[threadgroup_position_in_grid]])
{
    if (group == which && t == 5) {
        return;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[t] = t;
}

// Threads meet at two barriers that are not the same.
kernel void two_barriers(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t < 40) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        out[t] = 1;
    } else {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        out[t] = 2;
    }
}

// Lacks a barrier: the result depends on the order of threads.
kernel void racy(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    threadgroup uint last;
    last = t;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[t] = last;
}

// More static memory than any device has.
kernel void too_much(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    threadgroup uint large[10000];
    large[t] = t;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[t] = large[t ^ 1];
}
