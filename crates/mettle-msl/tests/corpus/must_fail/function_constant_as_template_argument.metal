// MSL 5.8.1.1 Function Constants to Control Code Paths to Compile: a function constant is no constant expression
// expect: no matching function for call to 'sum' @10
#include <metal_stdlib>
using namespace metal;

constant int rows [[function_constant(0)]];
template <int N>
float sum(device const float* x) { return x[N]; }
kernel void use(device float* x [[buffer(0)]]) {
  x[0] = sum<rows>(x);
}
