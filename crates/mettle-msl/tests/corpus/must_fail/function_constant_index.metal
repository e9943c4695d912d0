// MSL 5.8.1 Specifying Program Scope Function Constants: the indices of function constants are 0 to 65535
// expect: constant from 0 to 65535 @6
#include <metal_stdlib>
using namespace metal;

constant int rows [[function_constant(65536)]];
kernel void use(device int* x [[buffer(0)]]) { x[0] = rows; }
