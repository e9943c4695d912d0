// MSL 5.8.1.1 Function Constants to Control Code Paths to Compile: a function constant is no constant expression
// expect: array-size @8
#include <metal_stdlib>
using namespace metal;

constant int rows [[function_constant(0)]];
kernel void use(device float* x [[buffer(0)]]) {
  float own[rows];
  own[0] = x[0];
  x[0] = own[0];
}
