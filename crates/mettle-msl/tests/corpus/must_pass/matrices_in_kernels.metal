// MSL 3.2 Matrix Operators: matrices multiply vectors, matrices and scalars
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* x [[buffer(0)]], constant float4x4& m [[buffer(1)]], device float3x3* n [[buffer(2)]]) {
  const float4x4 local = m;
  x[0] = m * x[1] + x[1] * local;
  x[1] = m[0] + local[1];
  n[0] = n[1] * n[2] * 2.0f;
  n[0][1] = float3(1, 2, 3);
  x[2] = transpose(local)[0] * determinant(local);
}
