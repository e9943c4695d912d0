// MSL 4.2 Constant Address Space: a variable outside functions is in the constant address space
// expect: program-scope-variable @6
#include <metal_stdlib>
using namespace metal;

constexpr int rows = 4;
kernel void use(device float* x [[buffer(0)]]) { x[0] *= rows; }
