// The functions of <metal_pack>: vectors of numbers from 0 to 1 or from -1 to 1, packed as integers. The first component
// lies in the lowest bits.
#pragma once

#include "math.h"

namespace mettle {

// The layouts: how many bits each component has, and whether it is signed. A signed component has its largest number for
// 1 and reads -1 for its lowest two.
template <bool Signed, int... Bits>
struct Packing {
  static constexpr int count = sizeof...(Bits);

  METTLE_INLINE static constexpr float scale(int bits) { return float((1u << (bits - Signed)) - 1); }

  template <class F>
  METTLE_INLINE static metal::vec<F, count> unpack(uint packed) {
    constexpr int widths[] = {Bits...};
    metal::vec<F, count> v;
    int from = 0;
    for (int i = 0; i < count; i++) {
      const uint high = packed << (32 - widths[i] - from);
      const float x = Signed ? float(int(high) >> (32 - widths[i])) : float(high >> (32 - widths[i]));
      v.put(i, F(math::fmax(x / scale(widths[i]), -1.0f)));
      from += widths[i];
    }
    return v;
  }

  // Components are limited to the range and rounded to nearest even.
  template <class F>
  METTLE_INLINE static uint pack(metal::vec<F, count> v) {
    constexpr int widths[] = {Bits...};
    uint packed = 0;
    int from = 0;
    for (int i = 0; i < count; i++) {
      const float x = math::clamp(float(v.get(i)), Signed ? -1.0f : 0.0f, 1.0f);
      packed |= (uint(int(math::rint(x * scale(widths[i])))) & ((1u << widths[i]) - 1)) << from;
      from += widths[i];
    }
    return packed;
  }
};

// Between linear and sRGB colours; the fourth component is no colour.
METTLE_INLINE metal::vec<float, 4> srgb_to_linear(metal::vec<float, 4> v) {
  for (int i = 0; i < 3; i++) {
    const float x = v.get(i);
    v.put(i, x <= 0.04045f ? x / 12.92f : math::powr((x + 0.055f) / 1.055f, 2.4f));
  }
  return v;
}
METTLE_INLINE metal::vec<float, 4> linear_to_srgb(metal::vec<float, 4> v) {
  for (int i = 0; i < 3; i++) {
    const float x = math::clamp(v.get(i), 0.0f, 1.0f);
    v.put(i, x < 0.0031308f ? 12.92f * x : 1.055f * math::powr(x, 1 / 2.4f) - 0.055f);
  }
  return v;
}

}  // namespace mettle

namespace metal {

#define METTLE_PACK(format, Bits, N, ...)                                                                            \
  METTLE_INLINE vec<float, N> unpack_##format##_to_float(Bits x) { return __VA_ARGS__::unpack<float>(x); }           \
  METTLE_INLINE vec<half, N> unpack_##format##_to_half(Bits x) { return __VA_ARGS__::unpack<half>(x); }              \
  METTLE_INLINE Bits pack_float_to_##format(vec<float, N> x) { return Bits(__VA_ARGS__::pack(x)); }                  \
  METTLE_INLINE Bits pack_half_to_##format(vec<half, N> x) { return Bits(__VA_ARGS__::pack(x)); }

METTLE_PACK(unorm4x8, uint, 4, mettle::Packing<false, 8, 8, 8, 8>)
METTLE_PACK(snorm4x8, uint, 4, mettle::Packing<true, 8, 8, 8, 8>)
METTLE_PACK(unorm2x16, uint, 2, mettle::Packing<false, 16, 16>)
METTLE_PACK(snorm2x16, uint, 2, mettle::Packing<true, 16, 16>)
METTLE_PACK(unorm10a2, uint, 4, mettle::Packing<false, 10, 10, 10, 2>)
METTLE_PACK(snorm10a2, uint, 4, mettle::Packing<true, 10, 10, 10, 2>)
METTLE_PACK(unorm565, ushort, 3, mettle::Packing<false, 5, 6, 5>)
#undef METTLE_PACK

METTLE_INLINE vec<float, 4> unpack_unorm4x8_srgb_to_float(uint x) {
  return mettle::srgb_to_linear(unpack_unorm4x8_to_float(x));
}
METTLE_INLINE vec<half, 4> unpack_unorm4x8_srgb_to_half(uint x) {
  return vec<half, 4>(unpack_unorm4x8_srgb_to_float(x));
}
METTLE_INLINE uint pack_float_to_srgb_unorm4x8(vec<float, 4> x) {
  return pack_float_to_unorm4x8(mettle::linear_to_srgb(x));
}
METTLE_INLINE uint pack_half_to_srgb_unorm4x8(vec<half, 4> x) {
  return pack_float_to_srgb_unorm4x8(vec<float, 4>(x));
}

}  // namespace metal
