// MSL 2.2.1 Accessing Vector Components: components are read and written by name
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* x [[buffer(0)]]) {
  float4 v = x[0];
  v.xy = v.zw;
  v.wzyx = v;
  v.rgb = v.bgr;
  x[0].xz = v.yy;
  x[1].w += v[2];
  x[2] = v.xxyy + float4(v.xyz, 1);
}
