// Kernels that do not end by themselves when `flag` stays zero.
#include <metal_stdlib>
using namespace metal;

kernel void endless_loop(
    device atomic_uint* flag [[buffer(0)]],
    device uint*        out  [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    while (atomic_load_explicit(flag, memory_order_relaxed) == 0) out[i]++;
}

kernel void waits_for_a_thread(
    device atomic_uint* flag [[buffer(0)]],
    device uint*        out  [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    while (atomic_load_explicit(flag, memory_order_relaxed) == 0) {}
    out[i] = simd_sum(i);
}

kernel void endless_simd_sum(
    device atomic_uint* flag [[buffer(0)]],
    device uint*        out  [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    uint sum = 0;
    while (atomic_load_explicit(flag, memory_order_relaxed) == 0) sum += simd_sum(i);
    out[i] = sum;
}

kernel void endless_barrier(
    device atomic_uint* flag [[buffer(0)]],
    device uint*        out  [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    while (atomic_load_explicit(flag, memory_order_relaxed) == 0) {
        threadgroup_barrier(mem_flags::mem_device);
    }
    out[i] = i;
}

// Only one threadgroup does not end.
kernel void one_does_not_end(
    device atomic_uint* flag [[buffer(0)]],
    device uint*        out  [[buffer(1)]],
    uint group [[threadgroup_position_in_grid]],
    uint i     [[thread_position_in_grid]])
{
    while (group == 5 && atomic_load_explicit(flag, memory_order_relaxed) == 0) {}
    out[i] = i;
}
