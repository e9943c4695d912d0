// MSL 2.3.1 Accessing Matrix Components: a matrix is an array of columns
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4x4* m [[buffer(0)]], device float4* out [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  m[i][1] = float4(2.0f);
  m[i][0][0] = 1.0f;
  m[i][2][3] = 2.0f;
  m[i][3].xy = out[i].zw;
  out[i] = m[i][i % 4];
}
