// MSL 2.21 Implicit Type Conversions: a vector does not convert to a scalar
// expect: no viable conversion @6
#include <metal_stdlib>
using namespace metal;
float f(float4 a) {
  return a;
}
