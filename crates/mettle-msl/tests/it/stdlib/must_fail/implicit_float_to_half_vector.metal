#include <metal_stdlib>
using namespace metal;
half4 f(float4 a) {
  return a;  // ERROR: no viable conversion
}
