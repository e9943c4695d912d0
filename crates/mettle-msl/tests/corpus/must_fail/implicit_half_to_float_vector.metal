// MSL 2.21 Implicit Type Conversions: a vector converts to one of other components only when written out
// expect: no viable conversion @6
#include <metal_stdlib>
using namespace metal;
float4 f(half4 a) {
  float4 b = a;
  return b;
}
