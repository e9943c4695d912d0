// MSL 2.2.1 Accessing Vector Components: by x, y, z, w or r, g, b, a, in any order, and by index
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* v [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  float4 a = v[i];
  a.xy = a.yx;
  a.zw = float2(1, 2);
  a.bgr = a.rrr;
  a[3] = a[i % 4];
  a.w += a.x;
  a.xz *= 2.0f;
  v[i] = a.wzyx + a.xxyy;
  v[i + 1].x = a.a;
}
