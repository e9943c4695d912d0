// MSL 2.20 Type Conversions and Reinterpreting Data: a vector converts to one of the same size only
// expect: no matching conversion @6
#include <metal_stdlib>
using namespace metal;
float2 f(float4 a) {
  return float2(a);
}
