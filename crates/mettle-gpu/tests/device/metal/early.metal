// Launches that begin while those before them are still running.

#include <metal_stdlib>

using namespace metal;

#pragma mettle early(add_early, w)

// w[i] = value, after some time.
kernel void fill_late(
    device float*    w     [[buffer(0)]],
    constant float&  value [[buffer(1)]],
    device const uint* turns [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    mettle::let_next_launch_begin();
    uint mixed = i;
    for (uint turn = 0; turn < turns[0]; ++turn) {
        mixed = mixed * 1664525u + 1013904223u;
    }
    w[i] = mixed == 1u ? NAN : value;
}

// out[i] = w[i] + x[i], with w read as early as can be.
kernel void add_early(
    device const float* w   [[buffer(0)]],
    device const float* x   [[buffer(1)]],
    device float*       out [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    mettle::let_next_launch_begin();
    const float early = w[i];
    x = mettle::wait_for_launches(x);
    out[i] = early + x[i];
}
