// MSL 2.21 Implicit Type Conversions: a scalar converts to a vector of equal components by itself
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* x [[buffer(0)]]) {
  float4 v = 1;
  v = 2.0f;
  x[0] = v * 3 + 1.0f;
}
