#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, half4 b) {
  return max(a, b);  // ERROR: no matching function for call to 'max'
}
