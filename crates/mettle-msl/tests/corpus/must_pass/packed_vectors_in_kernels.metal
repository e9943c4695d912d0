// MSL 2.2.3 Packed Vector Types: packed vectors convert to vectors and back
#include <metal_stdlib>
using namespace metal;

kernel void use(device packed_float3* p [[buffer(0)]], device packed_half4* h [[buffer(1)]]) {
  float3 v = p[0];
  v += float3(p[1]) * p[2];
  p[0] = v;
  p[1].x = 2;
  h[0] = half4(h[1]) * 2.0h;
}
