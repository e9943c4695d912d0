// The functions of <metal_pack>: vectors to and from normalised integers packed in a uint, and half pairs.
#pragma once

#include "math.h"

namespace mettle {

// `Count` integers of type I from the low bits up, scaled so that the largest I is 1. The lowest signed value reads -1.
template <class F, class I, int Count>
METTLE_INLINE metal::vec<F, Count> unpack_normalized(uint bits) {
  metal::vec<F, Count> v;
  constexpr float scale = float(I(bits_of<I>(~0u) >> metal::is_signed_v<I>));
  for (int i = 0; i < Count; i++) {
    const float x = float(I(bits >> (8 * sizeof(I) * i))) / scale;
    v.put(i, F(math::fmax(x, -1.0f)));
  }
  return v;
}

// The inverse: components are limited to the range and rounded to nearest even.
template <class I, class F, int Count>
METTLE_INLINE uint pack_normalized(metal::vec<F, Count> v) {
  constexpr float scale = float(I(bits_of<I>(~0u) >> metal::is_signed_v<I>));
  constexpr float lowest = metal::is_signed_v<I> ? -1.0f : 0.0f;
  uint bits = 0;
  for (int i = 0; i < Count; i++) {
    const float x = math::rint(math::clamp(float(v.get(i)), lowest, 1.0f) * scale);
    bits |= uint(bits_of<I>(int(x))) << (8 * sizeof(I) * i);
  }
  return bits;
}

}  // namespace mettle

namespace metal {

#define METTLE_PACK(format, I, Count)                                                                      \
  METTLE_INLINE vec<float, Count> unpack_##format##_to_float(uint x) {                                     \
    return mettle::unpack_normalized<float, I, Count>(x);                                                  \
  }                                                                                                        \
  METTLE_INLINE vec<half, Count> unpack_##format##_to_half(uint x) {                                       \
    return mettle::unpack_normalized<half, I, Count>(x);                                                   \
  }                                                                                                        \
  METTLE_INLINE uint pack_float_to_##format(vec<float, Count> x) { return mettle::pack_normalized<I>(x); } \
  METTLE_INLINE uint pack_half_to_##format(vec<half, Count> x) { return mettle::pack_normalized<I>(x); }

METTLE_PACK(unorm4x8, uchar, 4)
METTLE_PACK(snorm4x8, signed char, 4)
METTLE_PACK(unorm2x16, ushort, 2)
METTLE_PACK(snorm2x16, short, 2)
#undef METTLE_PACK

}  // namespace metal
