// MSL 6.14.2 Convert Floating-Point Vector to Integers, then Pack the Integers: from float and half
#include <metal_stdlib>
using namespace metal;

kernel void use(device const float4* f [[buffer(0)]], device const half4* h [[buffer(1)]], device uint* out [[buffer(2)]]) {
  out[0] = pack_float_to_unorm4x8(f[0]) + pack_float_to_snorm4x8(f[0]) + pack_float_to_srgb_unorm4x8(f[0]) + pack_float_to_unorm10a2(f[0]);
  out[1] = pack_float_to_unorm2x16(f[0].xy) + pack_float_to_snorm2x16(f[0].zw);
  ushort low = pack_float_to_unorm565(f[0].xyz);
  out[2] = pack_half_to_unorm4x8(h[0]) + pack_half_to_snorm4x8(h[0]) + pack_half_to_srgb_unorm4x8(h[0]) + pack_half_to_unorm10a2(h[0]);
  out[3] = pack_half_to_unorm2x16(h[0].xy) + pack_half_to_snorm2x16(h[0].zw) + low;
  out[4] = pack_half_to_unorm565(h[0].xyz);
}
