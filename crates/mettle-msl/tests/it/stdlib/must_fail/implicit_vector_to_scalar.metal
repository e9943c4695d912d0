#include <metal_stdlib>
using namespace metal;
float f(float4 a) {
  return a;  // ERROR: no viable conversion
}
