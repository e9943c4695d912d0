// MSL 6.8 Geometric Functions: dot takes two vectors of one type
// expect: no matching function for call to 'dot' @6
#include <metal_stdlib>
using namespace metal;
float f(float3 a, float4 b) {
  return dot(a, b);
}
