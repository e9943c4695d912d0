// Hadamard transforms of heads, which change no length and no product of two heads. With signs that are as good as random, values are about
// normal afterwards, whatever they were.

#include <metal_stdlib>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

// One thread transforms a head by itself (CPU) instead of a SIMD group together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Whether values get signs: before the transform, or behind its inverse.
constant bool SIGNED [[function_constant(1)]];

#pragma mettle variant(cpu: hadamard_*, ROW_PER_THREAD = true, SIGNED = true)
#pragma mettle variant(gpu: hadamard_*, ROW_PER_THREAD = false, SIGNED = true)

constant constexpr uint MAX_HEAD_SIZE = 512;
constant constexpr uint LANES = 32;

struct Params {
    uint heads;
    uint head_size;  // 64, 128, 256 or 512
    uint inverse;    // whether the inverse is asked for; without SIGNED they are the same
    float scale;     // 1 / sqrt(head_size)
};

// The signs of values, a bit each: the first 512 bits of the fraction of pi.
constant constexpr uint SIGNS[MAX_HEAD_SIZE / 32] = {
    0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89,
    0x452821e6, 0x38d01377, 0xbe5466cf, 0x34e90c6c, 0xc0ac29b7, 0xc97c50dd, 0x3f84d5b5, 0xb5470917};

METAL_FUNC float with_sign(float x, uint i) { return SIGNED && (SIGNS[i / 32] >> (i % 32) & 1) != 0 ? -x : x; }

// Sixteen values from value `first` on with their signs.
METAL_FUNC wide with_signs(wide x, uint first)
{
    const uint bits = SIGNED ? SIGNS[first / 32] >> (first % 32) : 0u;
#pragma unroll
    for (uint i = 0; i < WIDE; ++i) {
        set_element(x, i, (bits >> i & 1) != 0 ? -element(x, i) : element(x, i));
    }
    return x;
}

// The steps of the transform that stay within sixteen values.
METAL_FUNC wide transform_sixteen(wide x)
{
#pragma unroll
    for (uint half_of = 1; half_of < WIDE; half_of *= 2) {
#pragma unroll
        for (uint i = 0; i < WIDE; ++i) {
            if ((i & half_of) == 0) {
                const float a = element(x, i);
                const float b = element(x, i + half_of);
                set_element(x, i, a + b);
                set_element(x, i + half_of, a - b);
            }
        }
    }
    return x;
}

METAL_FUNC void transform_alone(device float* head, constant Params& params)
{
    wide x[MAX_HEAD_SIZE / WIDE];
    const uint count = params.head_size / WIDE;
    for (uint i = 0; i < count; ++i) {
        const wide values = load(head + WIDE * i);
        x[i] = transform_sixteen(params.inverse != 0 ? values : with_signs(values, WIDE * i));
    }
    for (uint half_of = 1; half_of < count; half_of *= 2) {
        for (uint i = 0; i < count; ++i) {
            if ((i & half_of) == 0) {
                const wide a = x[i];
                const wide b = x[i + half_of];
                x[i] = a + b;
                x[i + half_of] = a - b;
            }
        }
    }
    for (uint i = 0; i < count; ++i) {
        const wide values = x[i] * splat(params.scale);
        store(head + WIDE * i, params.inverse != 0 ? with_signs(values, WIDE * i) : values);
    }
}

// A lane has values lane, lane + 32, ...: in registers, so that the number of steps is always that for the longest head.
METAL_FUNC void transform_together(device float* head, constant Params& params, uint lane)
{
    constexpr uint most = MAX_HEAD_SIZE / LANES;
    const uint count = params.head_size / LANES;
    float x[most];
#pragma unroll
    for (uint i = 0; i < most; ++i) {
        const uint at = LANES * i + lane;
        x[i] = i < count ? head[at] : 0.0f;
        if (params.inverse == 0) {
            x[i] = with_sign(x[i], at);
        }
    }
#pragma unroll
    for (uint half_of = 1; half_of < LANES; half_of *= 2) {
#pragma unroll
        for (uint i = 0; i < most; ++i) {
            if (i < count) {
                const float other = simd_shuffle_xor(x[i], ushort(half_of));
                x[i] = (lane & half_of) != 0 ? other - x[i] : x[i] + other;
            }
        }
    }
#pragma unroll
    for (uint half_of = 1; half_of < most; half_of *= 2) {
#pragma unroll
        for (uint i = 0; i < most; ++i) {
            if ((i & half_of) == 0 && half_of < count) {
                const float a = x[i];
                const float b = x[i + half_of];
                x[i] = a + b;
                x[i + half_of] = a - b;
            }
        }
    }
#pragma unroll
    for (uint i = 0; i < most; ++i) {
        const uint at = LANES * i + lane;
        if (i < count) {
            const float y = x[i] * params.scale;
            head[at] = params.inverse != 0 ? with_sign(y, at) : y;
        }
    }
}

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
    const uint head = ROW_PER_THREAD ? thread_position : group_position * simd_groups + simd_group;
    if (head >= params.heads) {
        return;
    }
    x += ulong(head) * params.head_size;
    if (ROW_PER_THREAD) {
        transform_alone(x, params);
    } else {
        transform_together(x, params, lane);
    }
}
