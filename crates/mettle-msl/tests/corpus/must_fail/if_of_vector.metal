// MSL 3.1 Scalar and Vector Operators: a comparison of vectors is a vector, not a condition
// expect: not contextually convertible to 'bool' @6
#include <metal_stdlib>
using namespace metal;
float f(float4 a, float4 b) {
  if (a == b) return 1;
  return 0;
}
