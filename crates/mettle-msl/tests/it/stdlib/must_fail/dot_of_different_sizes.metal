#include <metal_stdlib>
using namespace metal;
float f(float3 a, float4 b) {
  return dot(a, b);  // ERROR: no matching function for call to 'dot'
}
