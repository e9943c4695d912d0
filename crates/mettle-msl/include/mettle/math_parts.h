// Math functions with a second result, with integers, or that depend on the representation of a type: sincos, modf,
// frexp, ldexp, ilogb, fract and nextafter.
#pragma once

#include "arguments.h"
#include "math/rounding.h"
#include "math/trigonometric.h"

namespace mettle {

template <class T>
using if_floating = metal::enable_if_t<is_floating<T>>;

// The largest number below 1.
template <class T>
inline constexpr float below_one = 0x1.fffffep-1f;
template <>
inline constexpr float below_one<half> = 0x1.ffcp-1f;
template <>
inline constexpr float below_one<bfloat> = 0x1.fep-1f;

}  // namespace mettle

namespace metal {

template <class T, class = mettle::if_floating<T>>
METTLE_INLINE T sincos(T x, T& cosine) {
  const auto wide = mettle::to_floats(x);
  cosine = mettle::from_floats<T>(mettle::math::cos(wide));
  return mettle::from_floats<T>(mettle::math::sin(wide));
}

template <class T, class = mettle::if_floating<T>>
METTLE_INLINE T modf(T x, T& whole) {
  auto whole_floats = mettle::to_floats(x);
  const auto rest = mettle::math::modf(whole_floats, whole_floats);
  whole = mettle::from_floats<T>(whole_floats);
  return mettle::from_floats<T>(rest);
}

template <class T, class = mettle::if_floating<T>>
METTLE_INLINE T frexp(T x, mettle::with_components<int, T>& exponent) {
  const auto wide = mettle::to_floats(x);
  mettle::math::like<int, decltype(mettle::to_floats(x))> n;
  const auto fraction = mettle::math::frexp(wide, n);
  exponent = mettle::from_native<mettle::with_components<int, T>>(n);
  return mettle::from_floats<T>(fraction);
}

template <class T, class = mettle::if_floating<T>>
METTLE_INLINE T ldexp(T x, mettle::identity_t<mettle::with_components<int, T>> n) {
  return mettle::from_floats<T>(mettle::math::ldexp(mettle::to_floats(x), mettle::to_native(n)));
}

template <class T, class = mettle::if_floating<T>>
METTLE_INLINE mettle::with_components<int, T> ilogb(T x) {
  return mettle::from_native<mettle::with_components<int, T>>(mettle::math::ilogb(mettle::to_floats(x)));
}

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE T fract(A x) {
  const float below_one = mettle::below_one<mettle::element_of<T>>;
  return mettle::from_floats<T>(mettle::math::fract(mettle::to_floats<T>(x), below_one));
}

// The number after x in the direction of y.
template <class T, enable_if_t<is_floating_point_v<T>, int> = 0>
METTLE_INLINE T nextafter(T x, mettle::identity_t<T> y) {
  using Bits = mettle::bits_of<T>;
  const float from = x, to = y;
  const Bits bits = __builtin_bit_cast(Bits, x);
  const Bits sign_of_y = __builtin_bit_cast(Bits, y) & Bits(Bits(1) << (8 * sizeof(T) - 1));
  const bool away_from_zero = (to > from) == (from > 0);
  const Bits stepped = from == 0 ? Bits(sign_of_y | 1) : Bits(away_from_zero ? bits + 1 : bits - 1);
  const T moved = from == to ? y : __builtin_bit_cast(T, stepped);
  return mettle::math::either(from != from, to != to) ? T(mettle::math::nan) : moved;
}
template <class T, int N, enable_if_t<is_floating_point_v<T>, int> = 0>
METTLE_INLINE vec<T, N> nextafter(vec<T, N> x, mettle::identity_t<vec<T, N>> y) {
  for (int i = 0; i < N; i++) x.put(i, nextafter(x.get(i), y.get(i)));
  return x;
}

}  // namespace metal
