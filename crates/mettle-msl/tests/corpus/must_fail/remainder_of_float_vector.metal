// MSL 3.1 Scalar and Vector Operators: the remainder operator takes integers
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
float4 f(float4 a) {
  return a % 2.0f;
}
