// Results of attention to some of the keys that a token sees, which attention_merge.metal joins.
//
// They are [tokens, heads, splits, PARTIAL_HEADER + values of a head]: the highest score, as a logarithm to base 2, the sum of the weights
// relative to it, two zeros, and the sums of weights times values. Of splits without keys only the header counts: minus infinity and a sum of zero.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

// What the highest score is before there is any: weights of minus infinity are zero against it, and not the difference of infinities.
constant constexpr float LOWEST = -FLT_MAX;

// Floats before the values: those that are needed, and two that align the rest.
constant constexpr uint PARTIAL_HEADER = 4;

// The place of one of them, with `index` of [tokens, heads].
METAL_FUNC ulong partial_at(ulong index, uint splits, uint split, uint head_size)
{
    return (index * splits + split) * (head_size + PARTIAL_HEADER);
}

METAL_FUNC void store_two(device float* p, float2 x) { *reinterpret_cast<device float2*>(p) = x; }
METAL_FUNC void store_four(device float* p, float4 x) { *reinterpret_cast<device float4*>(p) = x; }

}  // namespace mettle_kernels
