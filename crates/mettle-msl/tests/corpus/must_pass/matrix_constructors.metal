// MSL 2.3.2 Matrix Constructors: from a diagonal, from columns, from all components, from a matrix of another type
#include <metal_stdlib>
using namespace metal;

kernel void use(device float2x3* out [[buffer(0)]]) {
  float3 a = float3(1, 2, 3);
  out[0] = float2x3(a, a);
  out[1] = float2x3(1, 2, 3, 4, 5, 6);
  out[2] = float2x3(half2x3(1.0h));
  float2x2 diagonal = float2x2(2.0f);
  float2x2 braces = {float2(1, 0), float2(0, 1)};
  out[3] = out[0] * (diagonal * braces);
  float2x3 same = float2x3(out[0]);
  out[4] = same;
}
