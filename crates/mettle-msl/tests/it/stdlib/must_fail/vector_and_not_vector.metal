#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, float3 b) {
  return a * b;  // ERROR: invalid operands to binary expression
}
