#include <metal_stdlib>
using namespace metal;
float f(float4 a, float4 b) {
  if (a == b) return 1;  // ERROR: not contextually convertible to 'bool'
  return 0;
}
