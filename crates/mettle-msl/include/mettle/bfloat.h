// bfloat: the upper 16 bits of a float. Arithmetic is done in float and rounds to nearest even; NaN stays NaN.
//
// A class rather than clang's __bf16, which does not convert to or from _Float16 and exists on few targets.
#pragma once

#include "traits.h"

namespace mettle {

// The bfloat bits of a float given by its bits: a `uint`, or a native vector of them.
template <class Bits>
METTLE_INLINE constexpr Bits round_to_bfloat(Bits bits) {
  const Bits rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Bits quiet_nan = (bits >> 16) | 0x40u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded;
}

template <class A, class B>
inline constexpr bool stays_bfloat = (metal::is_same_v<A, bfloat> && metal::is_same_v<B, bfloat>) ||
                                     (metal::is_same_v<A, bfloat> && metal::is_integral_v<B>) ||
                                     (metal::is_integral_v<A> && metal::is_same_v<B, bfloat>);

}  // namespace mettle

struct bfloat {
  ushort bits;

  bfloat() = default;

  template <class T, class = metal::enable_if_t<mettle::is_number<T> && !metal::is_same_v<T, bfloat>>>
  METTLE_INLINE constexpr bfloat(T x) : bits(ushort(mettle::round_to_bfloat(__builtin_bit_cast(uint, float(x))))) {}

  METTLE_INLINE constexpr operator float() const { return __builtin_bit_cast(float, uint(bits) << 16); }

  METTLE_INLINE static constexpr bfloat from_bits(ushort bits) {
    bfloat x(0);
    x.bits = bits;
    return x;
  }

  METTLE_INLINE friend constexpr bfloat operator+(bfloat x) { return x; }
  METTLE_INLINE friend constexpr bfloat operator-(bfloat x) { return from_bits(x.bits ^ 0x8000); }

// bfloat with bfloat or an integer gives bfloat. With float it gives float, through the conversion above.
#define METTLE_BFLOAT_OPERATOR(op)                                                      \
  template <class A, class B, class = metal::enable_if_t<mettle::stays_bfloat<A, B>>>   \
  METTLE_INLINE friend constexpr bfloat operator op(A a, B b) {                         \
    return float(a) op float(b);                                                        \
  }                                                                                     \
  template <class T, class = metal::enable_if_t<mettle::is_number<T>>>                  \
  METTLE_INLINE constexpr bfloat& operator op##=(T b) {                                 \
    return *this = float(*this) op float(b);                                            \
  }
  METTLE_BFLOAT_OPERATOR(+)
  METTLE_BFLOAT_OPERATOR(-)
  METTLE_BFLOAT_OPERATOR(*)
  METTLE_BFLOAT_OPERATOR(/)
#undef METTLE_BFLOAT_OPERATOR

  METTLE_INLINE constexpr bfloat& operator++() { return *this = *this + 1; }
  METTLE_INLINE constexpr bfloat& operator--() { return *this = *this - 1; }
  METTLE_INLINE constexpr bfloat operator++(int) {
    const bfloat before = *this;
    ++*this;
    return before;
  }
  METTLE_INLINE constexpr bfloat operator--(int) {
    const bfloat before = *this;
    --*this;
    return before;
  }
};

static_assert(sizeof(bfloat) == 2 && alignof(bfloat) == 2, "bfloat is two bytes");

namespace metal {
using ::bfloat;
}
