// MSL 5.1.10 Host Name Attribute: a kernel has another name for the host
#include <metal_stdlib>
using namespace metal;

[[host_name("first")]] [[kernel]] void a(device float* x [[buffer(0)]]) { x[0] = 1; }
kernel void b [[host_name("second")]] (device float* x [[buffer(0)]]) { x[0] = 2; }
