#include <metal_stdlib>
using namespace metal;
float3 f(int3 a) {
  float3 b;
  b = a;  // ERROR: no viable overloaded
  return b;
}
