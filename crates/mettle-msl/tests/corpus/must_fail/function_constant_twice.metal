// MSL 5.8.1 Specifying Program Scope Function Constants: two function constants do not have one index
// expect: has the index or name of the function constant @7
#include <metal_stdlib>
using namespace metal;

constant int rows [[function_constant(0)]];
constant float scale [[function_constant(0)]];
kernel void use(device float* x [[buffer(0)]]) { x[0] = rows * scale; }
