// MSL 3.1 Scalar and Vector Operators: the condition of ?: is a scalar; vectors take select
// expect: not contextually convertible to 'bool' @6
#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, float4 b) {
  return a < b ? a : b;
}
