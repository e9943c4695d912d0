// MSL 5.1.3 Compute Functions (Kernels): a kernel says how large its threadgroups are at most
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(1024)]] kernel void a(device float* x [[buffer(0)]]) { x[0] = 1; }
[[kernel, max_total_threads_per_threadgroup(256)]] void b(device float* x [[buffer(0)]]) { x[0] = 2; }
