// Kernels of one thread an element.

#include <metal_stdlib>

using namespace metal;

kernel void add(
    device const float* a   [[buffer(0)]],
    device const float* b   [[buffer(1)]],
    device float*       out [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = a[i] + b[i];
}

struct Affine {
    float scale;
    float offset;
};

kernel void affine(
    device float*    x      [[buffer(0)]],
    constant Affine& params [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    x[i] = x[i] * params.scale + params.offset;
}

// x[i] += 1 in threadgroups of up to 64 threads.
[[max_total_threads_per_threadgroup(64)]] kernel void increment(
    device float* x [[buffer(0)]],
    uint i [[thread_position_in_grid]])
{
    x[i] += 1;
}

// Needs an alignment of 16, whatever the host binds.
kernel void add_vectors(
    device const float4* a   [[buffer(0)]],
    device float4*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    out[i] += a[i];
}

// Where a thread believes to be: every built-in argument as one record of 24 numbers.
kernel void positions(
    device uint* out [[buffer(0)]],
    uint3 in_grid       [[thread_position_in_grid]],
    uint3 in_group      [[thread_position_in_threadgroup]],
    uint3 group         [[threadgroup_position_in_grid]],
    uint3 group_size    [[threads_per_threadgroup]],
    uint3 grid          [[threads_per_grid]],
    uint3 groups        [[threadgroups_per_grid]],
    uint3 dispatched    [[dispatch_threads_per_threadgroup]],
    uint  index         [[thread_index_in_threadgroup]],
    uint  lane          [[thread_index_in_simdgroup]],
    uint  simd_group    [[simdgroup_index_in_threadgroup]])
{
    device uint* o = out + 24 * ((in_grid.z * grid.y + in_grid.y) * grid.x + in_grid.x);
    const uint3 all[7] = {in_grid, in_group, group, group_size, grid, groups, dispatched};
    for (uint i = 0; i < 7; ++i) {
        o[3 * i] = all[i].x;
        o[3 * i + 1] = all[i].y;
        o[3 * i + 2] = all[i].z;
    }
    o[21] = index;
    o[22] = lane;
    o[23] = simd_group;
}
