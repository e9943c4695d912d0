// Kernels that do what they must not, and one that does not.
#include <metal_stdlib>
#include <metal_logging>
using namespace metal;

kernel void sound(
    device const uint* in  [[buffer(0)]],
    device uint*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = in[i] + 1;
}

// The same with a barrier, so that every thread has a stack of its own.
kernel void sound_together(
    device const uint* in  [[buffer(0)]],
    device uint*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    threadgroup_barrier(mem_flags::mem_none);
    out[i] = in[i] + 1;
}

// Thread 40 reads at an index that the host chooses, the others where they may.
kernel void reads(
    device const uint* in  [[buffer(0)]],
    device uint*       out [[buffer(1)]],
    constant long&     at  [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = in[i == 40 ? at : long(i)];
}

kernel void reads_together(
    device const uint* in  [[buffer(0)]],
    device uint*       out [[buffer(1)]],
    constant long&     at  [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    const uint sum = simd_sum(i);
    out[i] = in[i == 40 ? at : long(i)] + sum;
}

kernel void writes(
    device uint*   out [[buffer(0)]],
    constant long& at  [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    out[i == 40 ? at : long(i)] = i;
}

kernel void writes_together(
    device uint*   out [[buffer(0)]],
    constant long& at  [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    threadgroup_barrier(mem_flags::mem_none);
    out[i == 40 ? at : long(i)] = i;
}

kernel void writes_constant(
    device const uint* in  [[buffer(0)]],
    device uint*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    const_cast<device uint*>(in)[i] = i;
    out[i] = i;
}

kernel void writes_values(
    constant uint* values [[buffer(0)]],
    device uint*   out    [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    const_cast<device uint*>(values)[1] = i;
    out[i] = i;
}

// The host may bind bytes for `sizes`.
kernel void reads_values(
    constant uint* sizes [[buffer(0)]],
    device uint*   out   [[buffer(1)]],
    constant uint& at    [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = sizes[at];
}

kernel void threadgroup_memory(
    device uint*      out   [[buffer(0)]],
    constant int&     at    [[buffer(1)]],
    threadgroup uint* first [[threadgroup(0)]],
    threadgroup uint* notes [[threadgroup(1)]],
    uint t [[thread_index_in_threadgroup]],
    uint i [[thread_position_in_grid]])
{
    first[t] = t;
    notes[i == 40 ? at : int(t)] = i;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = notes[t] + first[t];
}

kernel void divides(
    device const int* in  [[buffer(0)]],
    device int*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = 1000 / in[i];
}

kernel void invalid_pointer(
    device const ulong* addresses [[buffer(0)]],
    device uint*        out       [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = *reinterpret_cast<device uint*>(addresses[i]);
}

[[clang::noinline]] static uint descend(uint depth, device uint* out)
{
    volatile uint kept[8];
    kept[depth % 8] = out[depth % 64];
    return depth == ~0u ? 0 : descend(depth + 1, out) + kept[depth % 8];
}

kernel void recurses(
    device uint* out [[buffer(0)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = descend(i, out);
}

kernel void recurses_together(
    device uint* out [[buffer(0)]],
    uint i [[thread_position_in_grid]])
{
    threadgroup_barrier(mem_flags::mem_none);
    const uint sum = descend(i, out);
    threadgroup_barrier(mem_flags::mem_none);
    out[i] = sum;
}

// More than a stack in one variable, touched at its far end first.
kernel void large_variable(
    device uint* out [[buffer(0)]],
    uint i [[thread_position_in_grid]])
{
    volatile uint variable[1 << 20];
    variable[out[i]] = i;
    threadgroup_barrier(mem_flags::mem_none);
    out[i] = variable[i];
}

// Hooks run on the stack that is left: somewhere a barrier or a SIMD-group operation does not fit any more.
[[clang::noinline]] static uint descend_together(uint depth, device uint* out)
{
    volatile uint kept[2];
    kept[depth % 2] = simd_sum(out[depth % 64]);
    simdgroup_barrier(mem_flags::mem_none);
    return depth == ~0u ? 0 : descend_together(depth + 1, out) + kept[depth % 2];
}

kernel void recurses_through_hooks(
    device uint* out [[buffer(0)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = descend_together(0, out);
}

kernel void fixed_arrays(
    device const uint* at  [[buffer(0)]],
    device uint*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    threadgroup uint shared[16];
    uint own[8] = {i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7};
    shared[i == 40 ? at[0] : i % 16] = i;
    own[i == 50 ? at[1] : i % 8] = i;
    out[i] = own[(i * 3) % 8] + shared[i % 16];
}

[[clang::noinline]] static uint descend_and_log(uint depth, device uint* out)
{
    volatile uint kept[2];
    kept[depth % 2] = out[depth % 64];
    if (depth % 64 == 0) os_log_default.log_debug("%u", depth);
    return depth == ~0u ? 0 : descend_and_log(depth + 1, out) + kept[depth % 2];
}

kernel void recurses_and_logs(
    device uint* out [[buffer(0)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = descend_and_log(0, out);
}
