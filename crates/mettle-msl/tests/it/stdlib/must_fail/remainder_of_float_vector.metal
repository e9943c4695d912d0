#include <metal_stdlib>
using namespace metal;
float4 f(float4 a) {
  return a % 2.0f;  // ERROR: invalid operands to binary expression
}
