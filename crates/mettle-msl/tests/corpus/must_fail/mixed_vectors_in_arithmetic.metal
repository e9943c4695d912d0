// MSL 3.1 Scalar and Vector Operators: both vectors of an operator are of one type
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, half4 b) {
  return a + b;
}
