// MSL 6.2 Common Functions: clamp, mix, saturate, sign, smoothstep and step of half and float, scalars and vectors
#include <metal_stdlib>
#include <metal_common>
using namespace metal;

kernel void use(device float4* v [[buffer(0)]], device half* h [[buffer(1)]]) {
  v[0] = clamp(v[1], 0.0f, float4(1)) + mix(v[1], v[2], 0.5f) + saturate(v[1]);
  v[3] = sign(v[1]) + smoothstep(float4(0), float4(1), v[2]) + step(0.5f, v[1]);
  h[0] = clamp(h[1], 0.0h, 1.0h) + mix(h[1], h[2], h[3]) + saturate(h[1]) + sign(h[2]) + step(h[1], h[2]);
  v[4].x = fast::clamp(v[1].x, 0.0f, 1.0f) + precise::saturate(v[1].y) + smoothstep(0.0f, 1.0f, v[1].z);
}
