#include <metal_stdlib>
using namespace metal;
float3 f(float4 a, float b) {
  return float3(a, b);  // ERROR: no matching constructor
}
