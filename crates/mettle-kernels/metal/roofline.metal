// What a device can do at most, to hold the other kernels against: how fast it copies memory, how fast it reads it and how
// fast it multiplies and adds. Not for models.

#include <metal_stdlib>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

// to[i] = from[i]. One thread for four values; both hold four values for each thread of the grid.
kernel void roofline_copy_f32(
    device const float4* from [[buffer(0)]],
    device float4*       to   [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    to[i] = from[i];
}

// Vectors that a thread of `roofline_read` reads.
constant constexpr uint READ = 16;

// sums[i] = the sum of the vectors i, i + threads, i + 2 threads, ... of `from`, which holds READ for each thread of the
// grid: as little besides reading as there can be.
kernel void roofline_read_f32(
    device const float4* from [[buffer(0)]],
    device float*        sums [[buffer(1)]],
    uint i       [[thread_position_in_grid]],
    uint threads [[threads_per_grid]])
{
    float4 four = 0.0f;
#pragma unroll
    for (uint j = 0; j < READ; ++j) {
        four += from[i + j * threads];
    }
    sums[i] = (four.x + four.y) + (four.z + four.w);
}

// How the arithmetic rate is measured.
struct Params {
    uint  steps;   // rounds of the loop
    float factor;
    float addend;
};

// out[i] = s after `steps` times s = s * factor + addend, from the s that i mod 8 gives. Eight sums of sixteen values go
// side by side, so that the rate is bound by the number of multipliers and not by the time that one takes. Each thread does
// 256 operations a step and writes 128 values.
kernel void roofline_fma_f32(
    device float*    out    [[buffer(0)]],
    constant Params& params [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    const wide factor = splat(params.factor);
    const wide addend = splat(params.addend);
    // Unrolled, so that the sums stay in registers.
    wide sums[8];
#pragma unroll
    for (ushort k = 0; k < 8; k++) {
        sums[k] = splat(float(k));
    }
    for (uint step = 0; step < params.steps; step++) {
#pragma unroll
        for (ushort k = 0; k < 8; k++) {
            sums[k] = fma(sums[k], factor, addend);
        }
    }
#pragma unroll
    for (ushort k = 0; k < 8; k++) {
        store(out + (i * 8 + k) * WIDE, sums[k]);
    }
}
