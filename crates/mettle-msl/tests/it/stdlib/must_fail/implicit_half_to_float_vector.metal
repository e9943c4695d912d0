#include <metal_stdlib>
using namespace metal;
float4 f(half4 a) {
  float4 b = a;  // ERROR: no viable conversion
  return b;
}
