// Elementwise addition. One thread an element; the grid is exactly the number of elements.

#include <metal_stdlib>

using namespace metal;

// out[i] = a[i] + b[i]. All three hold as many elements as the grid has threads.
kernel void add_f32(
    device const float* a   [[buffer(0)]],
    device const float* b   [[buffer(1)]],
    device float*       out [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = a[i] + b[i];
}

// x[i] += y[i]. Both hold as many elements as the grid has threads.
kernel void add_assign_f32(
    device float*       x [[buffer(0)]],
    device const float* y [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    x[i] += y[i];
}
