// Hadamard transforms of heads, which change no length and no product of two heads. With signs that are as good as random, values are about
// normal afterwards, whatever they were.

#include <metal_stdlib>
#include <mettle/hadamard.h>
#include <mettle/launches.h>

using namespace metal;
using namespace mettle_kernels;

// One thread transforms a head by itself (CPU) instead of a SIMD group together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Whether values get signs: before the transform, or behind its inverse.
constant bool SIGNED [[function_constant(1)]];

#pragma mettle variant(cpu: hadamard_*, ROW_PER_THREAD = true, SIGNED = true)
#pragma mettle variant(gpu: hadamard_*, ROW_PER_THREAD = false, SIGNED = true)

struct Params {
    uint heads;
    uint head_size;  // 64, 128, 256 or 512
    uint inverse;    // whether the inverse is asked for; without SIGNED they are the same
};

// x[h, :] = H (s * x[h, :]) / sqrt(head_size) in place, with signs s and the Walsh-Hadamard transform H in natural order; or the inverse,
// x[h, :] = s * (H x[h, :]) / sqrt(head_size). Without SIGNED there is no s. x is [heads, head_size].
//
// One thread (ROW_PER_THREAD) for each head, or a SIMD group: the grid is [heads] threads or [ceil(heads / SIMD groups)] threadgroups.
kernel void hadamard_f32(
    device float*    x      [[buffer(0)]],
    constant Params& params [[buffer(1)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint lane            [[thread_index_in_simdgroup]],
    uint simd_group      [[simdgroup_index_in_threadgroup]],
    uint simd_groups     [[simdgroups_per_threadgroup]])
{
    let_next_launch_begin();
    const uint head = ROW_PER_THREAD ? thread_position : group_position * simd_groups + simd_group;
    if (head >= params.heads) {
        return;
    }
    x += ulong(head) * params.head_size;
    const bool inverse = params.inverse != 0;
    const Hadamard way = {params.head_size, SIGNED && !inverse, SIGNED && inverse};
    if (ROW_PER_THREAD) {
        transform_alone(x, way);
    } else {
        transform_together(x, way, lane);
    }
}
