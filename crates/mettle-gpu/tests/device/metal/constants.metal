// Function constants of every size, and a kernel that synchronises only for some values.

#include <metal_stdlib>

using namespace metal;

constant bool  NEGATE [[function_constant(0)]];
constant int   SHIFT  [[function_constant(1)]];
constant float SCALE  [[function_constant(2)]];
constant ushort STEP  [[function_constant(7)]];

kernel void mapped(
    device const float* in  [[buffer(0)]],
    device float*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    const float x = (in[i] + float(SHIFT)) * SCALE + float(STEP);
    out[i] = NEGATE ? -x : x;
}

// Sums over the SIMD group, or over the row alone.
kernel void row_sum(
    device const float* in  [[buffer(0)]],
    device float*       out [[buffer(1)]],
    uint i    [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]])
{
    if (NEGATE) {
        float sum = 0;
        for (uint k = 0; k < 32; ++k) {
            sum += in[i / 32 * 32 + k];
        }
        out[i] = sum;
    } else {
        out[i] = simd_sum(in[i]);
    }
}
