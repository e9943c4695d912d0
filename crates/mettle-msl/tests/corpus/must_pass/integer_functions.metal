// MSL 6.3 Integer Functions: every function takes every integer type, scalars and vectors; mul24 and mad24 those of 32 bits
#include <metal_stdlib>
#include <metal_integer>
using namespace metal;

template <typename T>
T all_of(T x, T y, T z) {
  T r = addsat(x, y) + hadd(x, y) + rhadd(x, y) + subsat(x, y) + mulhi(x, y) + madhi(x, y, z) + madsat(x, y, z);
  r += clz(x) + ctz(x) + popcount(x) + reverse_bits(x) + rotate(x, y) + abs(x);
  r += min(x, y) + max(x, y) + min3(x, y, z) + max3(x, y, z) + median3(x, y, z) + clamp(x, y, z);
  return r + extract_bits(x, 1u, 3u) + insert_bits(x, y, 2u, 4u) + T(absdiff(x, y));
}
kernel void use(device long4* out [[buffer(0)]], device const int4* in [[buffer(1)]]) {
  int4 x = in[0], y = in[1], z = in[2];
  out[0] = long4(all_of(x, y, z)) + all_of(long4(x), long4(y), long4(z)) + long4(all_of(uchar4(x), uchar4(y), uchar4(z)));
  out[1].x = all_of(x.x, y.x, z.x) + all_of(char(x.x), char(y.x), char(z.x)) + all_of(ushort(x.x), ushort(y.x), ushort(z.x));
  out[1].y = all_of(ulong(x.x), ulong(y.x), ulong(z.x)) + all_of(short2(x.xy), short2(y.xy), short2(z.xy)).x;
  out[2] = long4(mul24(x, y) + mad24(x, y, z)) + mul24(uint(x.x), uint(y.x)) + mad24(1, 2, 3);
}
