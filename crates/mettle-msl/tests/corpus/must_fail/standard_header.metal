// MSL 1.5.4 Restrictions: the C++ standard library is not there
// expect: file not found @6
#include <metal_stdlib>
using namespace metal;

#include <iostream>
kernel void use(device int* x [[buffer(0)]]) { x[0] = 1; }
