// MSL 5.1.3 Compute Functions (Kernels): a kernel is marked by a word or an attribute
#include <metal_stdlib>
using namespace metal;

kernel void a(device float* x [[buffer(0)]]) { x[0] = 1; }
[[kernel]] void b(device float* x [[buffer(0)]]) { x[0] = 2; }
