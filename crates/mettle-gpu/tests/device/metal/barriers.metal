// Barriers that not all threads of a threadgroup reach. Marks name lines that the tests look for.
#include <metal_stdlib>
using namespace metal;

kernel void one_returns(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t == 37) return;
    threadgroup_barrier(mem_flags::mem_none);  // one_returns
    out[t] = t;
}

kernel void in_a_branch(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t % 3 == 0) {
        threadgroup_barrier(mem_flags::mem_none);  // in_a_branch
    }
    out[t] = t;
}

kernel void if_and_else(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t < 40) {
        threadgroup_barrier(mem_flags::mem_none);  // if_and_else: first
    } else {
        threadgroup_barrier(mem_flags::mem_none);  // if_and_else: second
    }
    out[t] = t;
}

kernel void trip_counts(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    for (uint i = 0; i < 3 + t / 50; i++) {
        threadgroup_barrier(mem_flags::mem_none);  // trip_counts
        out[t] += i;
    }
}

kernel void trip_counts_then_another(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    for (uint i = 0; i < 3 + t / 50; i++) {
        threadgroup_barrier(mem_flags::mem_none);  // trip_counts_then_another: loop
        out[t] += i;
    }
    threadgroup_barrier(mem_flags::mem_none);  // trip_counts_then_another: end
    out[t] += 1;
}

// Lanes of one SIMD group at different kinds of barriers.
kernel void lanes_mix(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t % 2 == 0) {
        threadgroup_barrier(mem_flags::mem_none);  // lanes_mix
    } else {
        simdgroup_barrier(mem_flags::mem_none);
    }
    out[t] = t;
}

// SIMD groups at different kinds of barriers; those at the smaller one go on to another of the larger.
kernel void groups_mix(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t < 32) {
        threadgroup_barrier(mem_flags::mem_none);  // groups_mix: first
    } else {
        simdgroup_barrier(mem_flags::mem_none);
        threadgroup_barrier(mem_flags::mem_none);  // groups_mix: second
    }
    out[t] = t;
}

// Some wait at a barrier while the others work together, and then return.
kernel void others_work_together(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t % 4 == 1) {
        threadgroup_barrier(mem_flags::mem_none);  // others_work_together
    } else {
        for (uint i = 0; i < 10; i++) out[t] += simd_sum(t);
    }
}

// Two places, and some that have returned.
kernel void two_places_and_returned(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t < 10) return;
    if (t < 30) {
        threadgroup_barrier(mem_flags::mem_none);  // two_places: first
    } else {
        threadgroup_barrier(mem_flags::mem_none);  // two_places: second
    }
    out[t] = t;
}

static void wait_here()
{
    threadgroup_barrier(mem_flags::mem_none);  // in_a_function
}

kernel void in_a_function(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (simd_any(t == 70)) return;
    wait_here();
    out[t] = t;
}

// All of it as it must be: the same barrier from both branches is one place, and SIMD groups may differ in what they do alone.
kernel void sound(device uint* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    if (t < 40) {
        wait_here();
        out[t] = t;
    } else {
        for (uint i = 0; i < t / 32; i++) simdgroup_barrier(mem_flags::mem_none);
        wait_here();
        out[t] = simd_max(t) - simd_max(t) + t;
    }
    threadgroup_barrier(mem_flags::mem_device);
}
