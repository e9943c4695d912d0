// Hadamard transforms of heads, by a thread or by the lanes of a SIMD group.
//
// A transform is H / sqrt(size) with the Walsh-Hadamard matrix H in natural order. A randomised one has fixed signs before it, and its inverse has them behind it.
#pragma once

#include <metal_stdlib>
#include <mettle/wide.h>

using namespace metal;

namespace mettle_kernels {

// The signs of values, a bit each: the first 512 bits of the fraction of pi.
constant constexpr uint HADAMARD_SIGNS[16] = {
    0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89,
    0x452821e6, 0x38d01377, 0xbe5466cf, 0x34e90c6c, 0xc0ac29b7, 0xc97c50dd, 0x3f84d5b5, 0xb5470917};

// Values of a lane, at most: of heads of 512.
constant constexpr uint HADAMARD_VALUES = 16;

struct Hadamard {
    uint size;    // 64, 128, 256 or 512
    bool before;  // whether values get signs before the transform
    bool behind;  // and behind it
};

// The randomised transform.
METAL_FUNC Hadamard forward_hadamard(uint size) { return Hadamard{size, true, false}; }

METAL_FUNC float hadamard_scale(Hadamard way) { return 1.0f / precise::sqrt(float(way.size)); }

METAL_FUNC float with_sign(float x, uint i) { return (HADAMARD_SIGNS[i / 32] >> (i % 32) & 1) != 0 ? -x : x; }

// Sixteen values from value `first` on with their signs.
METAL_FUNC wide with_signs(wide x, uint first)
{
    const uint bits = HADAMARD_SIGNS[first / 32] >> (first % 32);
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

// Transforms a head in place, by a thread.
METAL_FUNC void transform_alone(device float* head, Hadamard way)
{
    wide x[32 * HADAMARD_VALUES / WIDE];
    const uint count = way.size / WIDE;
    for (uint i = 0; i < count; ++i) {
        const wide values = load(head + WIDE * i);
        x[i] = transform_sixteen(way.before ? with_signs(values, WIDE * i) : values);
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
    const wide scale = splat(hadamard_scale(way));
    for (uint i = 0; i < count; ++i) {
        const wide values = x[i] * scale;
        store(head + WIDE * i, way.behind ? with_signs(values, WIDE * i) : values);
    }
}

// What a lane of a SIMD group has of a head: values lane, lane + 32, ... In registers, so that the number of steps is always that for the longest head.
struct LaneOfHead {
    float values[HADAMARD_VALUES];
};

// A head, transformed.
METAL_FUNC LaneOfHead transformed(device const float* head, Hadamard way, uint lane)
{
    const uint count = way.size / 32;
    LaneOfHead of_lane;
    thread float* x = of_lane.values;
#pragma unroll
    for (uint i = 0; i < HADAMARD_VALUES; ++i) {
        const uint at = 32 * i + lane;
        x[i] = i < count ? head[at] : 0.0f;
        if (way.before) {
            x[i] = with_sign(x[i], at);
        }
    }
#pragma unroll
    for (uint half_of = 1; half_of < 32; half_of *= 2) {
#pragma unroll
        for (uint i = 0; i < HADAMARD_VALUES; ++i) {
            if (i < count) {
                const float other = simd_shuffle_xor(x[i], ushort(half_of));
                x[i] = (lane & half_of) != 0 ? other - x[i] : x[i] + other;
            }
        }
    }
#pragma unroll
    for (uint half_of = 1; half_of < HADAMARD_VALUES; half_of *= 2) {
#pragma unroll
        for (uint i = 0; i < HADAMARD_VALUES; ++i) {
            if ((i & half_of) == 0 && half_of < count) {
                const float a = x[i];
                const float b = x[i + half_of];
                x[i] = a + b;
                x[i + half_of] = a - b;
            }
        }
    }
    const float scale = hadamard_scale(way);
#pragma unroll
    for (uint i = 0; i < HADAMARD_VALUES; ++i) {
        const float y = x[i] * scale;
        x[i] = way.behind ? with_sign(y, 32 * i + lane) : y;
    }
    return of_lane;
}

// Transforms a head in place, by a SIMD group.
METAL_FUNC void transform_together(device float* head, Hadamard way, uint lane)
{
    const LaneOfHead x = transformed(head, way, lane);
#pragma unroll
    for (uint i = 0; i < HADAMARD_VALUES; ++i) {
        if (32 * i < way.size) {
            head[32 * i + lane] = x.values[i];
        }
    }
}

}  // namespace mettle_kernels
