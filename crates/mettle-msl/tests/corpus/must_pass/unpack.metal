// MSL 6.14.1 Unpack and Convert Integers to a Floating-Point Vector: to float and half
#include <metal_stdlib>
#include <metal_pack>
using namespace metal;

kernel void use(device float4* f [[buffer(0)]], device half4* h [[buffer(1)]], constant uint& x [[buffer(2)]], constant ushort& y [[buffer(3)]]) {
  f[0] = unpack_unorm4x8_to_float(x) + unpack_snorm4x8_to_float(x) + unpack_unorm4x8_srgb_to_float(x) + unpack_unorm10a2_to_float(x);
  f[1].xy = unpack_unorm2x16_to_float(x) + unpack_snorm2x16_to_float(x);
  f[1].xyz += unpack_unorm565_to_float(y);
  h[0] = unpack_unorm4x8_to_half(x) + unpack_snorm4x8_to_half(x) + unpack_unorm4x8_srgb_to_half(x) + unpack_unorm10a2_to_half(x);
  h[1].xy = unpack_unorm2x16_to_half(x) + unpack_snorm2x16_to_half(x);
  h[1].xyz += unpack_unorm565_to_half(y);
}
