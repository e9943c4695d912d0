// The rotation of rotary position embedding (Su et al., "RoFormer", 2021): angles, and which elements turn together.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

// position * frequency, less a multiple of 2 pi, within [-pi, pi].
//
// The product of two f32 is exact as a sum of two f32, and 2 pi is taken in two parts, so that the angle is as exact as
// an f32 of its size can be whatever the position: at position 32768 a rounded product is off by a thousandth.
METAL_FUNC float reduced_angle(int position, float frequency)
{
    const float p = float(position);
    const float angle = p * frequency;
    const float rest = metal::fma(p, frequency, -angle);
    const float turns = rint(angle * 0.15915494f);
    const float upper = metal::fma(turns, -6.28318548f, angle);
    return metal::fma(turns, 1.74845553e-7f, upper) + rest;
}

// The rotation of a pair: scale * cos(angle) and scale * sin(angle).
struct Turn {
    float c;
    float s;
};

METAL_FUNC Turn turn_at(int position, float frequency, float scale)
{
    const float angle = reduced_angle(position, frequency);
    return Turn{scale * precise::cos(angle), scale * precise::sin(angle)};
}

// The elements of a head that are pair i of the `dims` rotated ones.
METAL_FUNC uint2 pair_at(uint i, uint dims, bool interleaved)
{
    const uint first = interleaved ? 2 * i : i;
    return uint2(first, first + (interleaved ? 1 : dims / 2));
}

// A pair of elements, rotated.
METAL_FUNC float2 turned(float2 x, Turn turn)
{
    return float2(x.x * turn.c - x.y * turn.s, x.x * turn.s + x.y * turn.c);
}

}  // namespace mettle_kernels
