// MSL 2.2.1 Accessing Vector Components: components of a vector in a buffer are written
#include <metal_stdlib>
using namespace metal;

struct Row { float4 a; half2 b; };
kernel void use(device Row* rows [[buffer(0)]], threadgroup float4* t [[threadgroup(0)]]) {
  rows[0].a.x = 1;
  rows[0].b.xy = half2(1, 2);
  rows[1].a[3] += rows[0].a.w;
  t[0].y = rows[1].a.x;
}
