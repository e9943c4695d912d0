// MSL 2.3 Matrix Data Types: matrices of half and float have two to four columns and rows
#include <metal_stdlib>
using namespace metal;

template <typename T, int C, int R>
T corner(matrix<T, C, R> m) {
  return m[C - 1][R - 1];
}
kernel void use(device float* out [[buffer(0)]]) {
  out[0] = corner(float2x2(1)) + corner(float2x3(1)) + corner(float2x4(1));
  out[1] = corner(float3x2(1)) + corner(float3x3(1)) + corner(float3x4(1));
  out[2] = corner(float4x2(1)) + corner(float4x3(1)) + corner(float4x4(1));
  out[3] = corner(half2x2(1)) + corner(half3x4(1)) + corner(half4x4(1));
  static_assert(sizeof(float3x3) == 48 && sizeof(half2x4) == 16, "a column is a vector");
}
