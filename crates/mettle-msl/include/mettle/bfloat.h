// bfloat: the upper 16 bits of a float. Arithmetic is done in float and rounds to nearest even; NaN stays NaN.
//
// As in Metal, bfloat converts to float implicitly (and from there to integers), but float and half convert to bfloat
// only when written out. Metal declares no math functions for bfloat: they take it as float and return float.
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

template <class T>
inline constexpr bool is_bfloat = metal::is_same_v<T, bfloat>;

// The type of an operation on a bfloat and another number: bfloat with bfloat and integers, else float.
template <class A, class B>
using bfloat_result =
    metal::enable_if_t<(is_bfloat<A> && is_number<B>) || (is_number<A> && is_bfloat<B>),
                       metal::conditional_t<__is_floating_point(A) || __is_floating_point(B), float, bfloat>>;

}  // namespace mettle

struct bfloat {
  ushort bits;

  bfloat() = default;

  template <class I, metal::enable_if_t<metal::is_integral_v<I> || __is_enum(I), int> = 0>
  METTLE_INLINE constexpr bfloat(I x) : bfloat(float(x)) {}
  template <class F, metal::enable_if_t<metal::is_same_v<F, float> || metal::is_same_v<F, half>, long> = 0>
  METTLE_INLINE explicit constexpr bfloat(F x)
      : bits(ushort(mettle::round_to_bfloat(__builtin_bit_cast(uint, float(x))))) {}

  // From a class that converts to a number, as a built-in type would be.
  template <class C, metal::enable_if_t<__is_class(C) && metal::is_convertible_v<C, float>, char> = 0>
  METTLE_INLINE explicit constexpr bfloat(const C& x) : bfloat(float(x)) {}

  METTLE_INLINE constexpr operator float() const { return __builtin_bit_cast(float, uint(bits) << 16); }

  METTLE_INLINE static constexpr bfloat from_bits(ushort bits) {
    bfloat x(0);
    x.bits = bits;
    return x;
  }

  METTLE_INLINE friend constexpr bfloat operator+(bfloat x) { return x; }
  METTLE_INLINE friend constexpr bfloat operator-(bfloat x) { return from_bits(x.bits ^ 0x8000); }

  // An operand as float, after the conversion to the type R of the operation.
  template <class R, class T>
  METTLE_INLINE static constexpr float operand(T x) {
    return float(R(x));
  }

#define METTLE_BFLOAT_ARITHMETIC(op)                                                        \
  template <class A, class B, class R = mettle::bfloat_result<A, B>>                        \
  METTLE_INLINE friend constexpr R operator op(A a, B b) {                                  \
    return R(operand<R>(a) op operand<R>(b));                                               \
  }                                                                                         \
  template <class T, class R = mettle::bfloat_result<bfloat, T>>                            \
  METTLE_INLINE constexpr bfloat& operator op##=(T b) {                                     \
    return *this = bfloat(*this op b);                                                      \
  }
  METTLE_BFLOAT_ARITHMETIC(+)
  METTLE_BFLOAT_ARITHMETIC(-)
  METTLE_BFLOAT_ARITHMETIC(*)
  METTLE_BFLOAT_ARITHMETIC(/)
#undef METTLE_BFLOAT_ARITHMETIC

#define METTLE_BFLOAT_COMPARISON(op)                                                        \
  template <class A, class B, class R = mettle::bfloat_result<A, B>>                        \
  METTLE_INLINE friend constexpr bool operator op(A a, B b) {                               \
    return operand<R>(a) op operand<R>(b);                                                  \
  }
  METTLE_BFLOAT_COMPARISON(==)
  METTLE_BFLOAT_COMPARISON(!=)
  METTLE_BFLOAT_COMPARISON(<)
  METTLE_BFLOAT_COMPARISON(>)
  METTLE_BFLOAT_COMPARISON(<=)
  METTLE_BFLOAT_COMPARISON(>=)
#undef METTLE_BFLOAT_COMPARISON

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

namespace mettle {

// An integer literal that is one branch of a conditional with another branch of type T.
template <class T, class Literal>
METTLE_INLINE constexpr auto branch(Literal x) {
  if constexpr (is_bfloat<metal::remove_cvref_t<T>>) {
    return bfloat(x);
  } else if constexpr (__is_pointer(metal::remove_cvref_t<T>)) {
    return nullptr;
  } else {
    return x;
  }
}

}  // namespace mettle
