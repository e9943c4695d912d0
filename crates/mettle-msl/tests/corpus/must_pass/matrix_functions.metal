// MSL 6.6 Matrix Functions: determinant of square matrices, transpose of all
#include <metal_stdlib>
#include <metal_matrix>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], device float2x3* m [[buffer(1)]], device half4x4* h [[buffer(2)]]) {
  x[0] = determinant(float2x2(2)) + determinant(float3x3(1)) + determinant(float4x4(h[0])) + determinant(h[1]);
  float3x2 t = transpose(m[0]);
  m[1] = transpose(t);
  h[2] = transpose(h[3]);
}
