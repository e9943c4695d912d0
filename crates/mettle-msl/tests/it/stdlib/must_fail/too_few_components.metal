#include <metal_stdlib>
using namespace metal;
float4 f(float a) {
  return float4(a, a, a);  // ERROR: no matching constructor
}
