// MSL 5.1 Functions: what two kernels need is a function
#include <metal_stdlib>
using namespace metal;

static float scaled(device const float* x, uint i) { return 2 * x[i]; }
kernel void a(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] = scaled(x, i); }
kernel void b(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] += scaled(x, i); }
