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

template <class T>
METTLE_INLINE T next_after(T x, T y) {
  using Bits = bits_of<T>;
  const float from = x, to = y;
  const Bits bits = __builtin_bit_cast(Bits, x);
  const Bits sign_of_y = __builtin_bit_cast(Bits, y) & Bits(Bits(1) << (8 * sizeof(T) - 1));
  const bool away_from_zero = (to > from) == (from > 0);
  const Bits stepped = from == 0 ? Bits(sign_of_y | 1) : Bits(away_from_zero ? bits + 1 : bits - 1);
  const T moved = from == to ? y : __builtin_bit_cast(T, stepped);
  return math::either(from != from, to != to) ? T(math::nan) : moved;
}

}  // namespace mettle

namespace metal {

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE T sincos(A x, METTLE_THREAD mettle::identity_t<T>& cosine) {
  const auto wide = mettle::to_floats<T>(x);
  cosine = mettle::from_floats<T>(mettle::math::cos(wide));
  return mettle::from_floats<T>(mettle::math::sin(wide));
}

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE T modf(A x, METTLE_THREAD mettle::identity_t<T>& whole) {
  auto whole_floats = mettle::to_floats<T>(x);
  const auto rest = mettle::math::modf(whole_floats, whole_floats);
  whole = mettle::from_floats<T>(whole_floats);
  return mettle::from_floats<T>(rest);
}

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE T frexp(A x, METTLE_THREAD mettle::with_components<int, T>& exponent) {
  mettle::math::like<int, decltype(mettle::to_floats<T>(x))> n;
  const auto fraction = mettle::math::frexp(mettle::to_floats<T>(x), n);
  exponent = mettle::from_native<mettle::with_components<int, T>>(n);
  return mettle::from_floats<T>(fraction);
}

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE T ldexp(A x, mettle::identity_t<mettle::with_components<int, T>> n) {
  return mettle::from_floats<T>(mettle::math::ldexp(mettle::to_floats<T>(x), mettle::to_native(n)));
}

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE mettle::with_components<int, T> ilogb(A x) {
  return mettle::from_native<mettle::with_components<int, T>>(mettle::math::ilogb(mettle::to_floats<T>(x)));
}

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE T fract(A x) {
  const float below_one = mettle::below_one<mettle::element_of<T>>;
  return mettle::from_floats<T>(mettle::math::fract(mettle::to_floats<T>(x), below_one));
}

// The number after x in the direction of y.
METTLE_INLINE float nextafter(float x, float y) { return mettle::next_after(x, y); }
METTLE_INLINE half nextafter(half x, half y) { return mettle::next_after(x, y); }
template <class A, class B, class V = mettle::float_vector_of<A, B>>
METTLE_INLINE V nextafter(A x, B y) {
  V v = x;
  const V to = y;
  for (int i = 0; i < V::count; i++) v.put(i, mettle::next_after(v.get(i), to.get(i)));
  return v;
}

}  // namespace metal
