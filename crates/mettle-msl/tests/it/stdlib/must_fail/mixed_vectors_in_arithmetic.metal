#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, half4 b) {
  return a + b;  // ERROR: invalid operands to binary expression
}
