// Kernels for what is particular to a GPU.

#include <metal_stdlib>

using namespace metal;

// Needs far more than 64 registers a thread if it may have them.
kernel void many_registers(
    device const float* in  [[buffer(0)]],
    device float*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    float x[96];
#pragma unroll
    for (uint j = 0; j < 96; ++j) {
        x[j] = in[(i * 7 + j * 13) % 1024];
    }
#pragma unroll
    for (uint round = 0; round < 3; ++round) {
#pragma unroll
        for (uint j = 0; j < 96; ++j) {
            x[j] = fma(x[(j + 31) % 96], 0.5f, x[j]);
        }
    }
    float sum = 0;
#pragma unroll
    for (uint j = 0; j < 96; ++j) {
        sum += x[j];
    }
    out[i] = sum;
}

// Each threadgroup adds up the ones of its threads, in SIMD groups and then in threadgroup memory.
kernel void group_sizes(
    device uint* out [[buffer(0)]],
    threadgroup uint* partial [[threadgroup(0)]],
    uint2 group [[threadgroup_position_in_grid]],
    uint2 groups [[threadgroups_per_grid]],
    uint index [[thread_index_in_threadgroup]],
    uint simd_group [[simdgroup_index_in_threadgroup]],
    uint simd_groups [[simdgroups_per_threadgroup]])
{
    const uint lanes = simd_sum(1u);
    if (simd_is_first()) {
        partial[simd_group] = lanes;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (index == 0) {
        uint total = 0;
        for (uint i = 0; i < simd_groups; ++i) {
            total += partial[i];
        }
        out[group.y * groups.x + group.x] = total;
    }
}

// Sums over the lanes that are still in a loop, and over those of either branch.
kernel void divergent(
    device uint* out [[buffer(0)]],
    uint lane [[thread_index_in_simdgroup]])
{
    uint rounds = 0;
    for (uint i = 0; i <= lane; ++i) {
        rounds += simd_sum(1u);
    }
    out[lane] = rounds;
    if (lane % 3 == 0) {
        out[32 + lane] = simd_sum(lane);
    } else {
        out[32 + lane] = 1000 + simd_max(lane);
    }
    out[64 + lane] = simd_sum(1u);
}

kernel void store_at(
    device uint* out [[buffer(0)]],
    constant ulong& place [[buffer(1)]])
{
    out[place] = 1;
}

kernel void scale_and_count(
    device const uint* from   [[buffer(0)]],
    device uint*       to     [[buffer(1)]],
    constant uint&     factor [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    to[i] = from[i] * factor + i;
}
