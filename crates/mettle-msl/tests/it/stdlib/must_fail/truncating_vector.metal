#include <metal_stdlib>
using namespace metal;
float2 f(float4 a) {
  return float2(a);  // ERROR: no matching conversion
}
