// MSL 5.1.3 Compute Functions (Kernels): a threadgroup has at most 1024 threads
// expect: threads-per-threadgroup @6
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(2048)]]
kernel void use(device float* x [[buffer(0)]]) { x[0] = 1; }
