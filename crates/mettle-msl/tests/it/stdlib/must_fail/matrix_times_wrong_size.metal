#include <metal_stdlib>
using namespace metal;
float3 f(float3x3 m, float2 v) {
  return m * v;  // ERROR: invalid operands to binary expression
}
