// MSL 5.1.10 Host Name Attribute: two kernels do not have one name
// expect: a second kernel is named @7
#include <metal_stdlib>
using namespace metal;

[[host_name("run")]] kernel void first(device float* x [[buffer(0)]]) { x[0] = 1; }
[[host_name("run")]] kernel void second(device float* x [[buffer(0)]]) { x[0] = 2; }
