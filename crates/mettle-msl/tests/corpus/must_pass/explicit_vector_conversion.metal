// MSL 2.20 Type Conversions and Reinterpreting Data: vectors of the same size convert when it is written out
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* x [[buffer(0)]], device half4* y [[buffer(1)]], device int4* z [[buffer(2)]]) {
  y[0] = half4(x[0]);
  x[0] = float4(z[0]);
  z[0] = static_cast<int4>(y[0]);
}
