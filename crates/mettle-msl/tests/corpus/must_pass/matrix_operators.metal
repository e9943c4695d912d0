// MSL 3.2 Matrix Operators: sums, products with scalars, vectors and matrices
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4x4* m [[buffer(0)]], device float4* v [[buffer(1)]], device half3x2* h [[buffer(2)]]) {
  float4x4 a = m[0], b = m[1];
  m[2] = a + b - a * 2.0f + 0.5f * b;
  m[3] = a * b;
  m[3] *= a;
  m[3] += b;
  m[3] -= -a;
  v[0] = a * v[1];
  v[2] = v[1] * a;
  half2 r = h[0] * half3(1);
  half3 c = half2(1) * h[0];
  h[1] = h[0] * half3x3(1);
  v[3] = float4(float2(r), float2(c.xy));
  v[4] = float4(a == b, a != b, 0, 0);
}
