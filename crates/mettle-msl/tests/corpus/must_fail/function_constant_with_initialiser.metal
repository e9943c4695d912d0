// MSL 5.8.1 Specifying Program Scope Function Constants: a function constant has no initialiser
// expect: function-constant @6
#include <metal_stdlib>
using namespace metal;

constant int rows [[function_constant(0)]] = 4;
kernel void use(device int* x [[buffer(0)]]) { x[0] = rows; }
