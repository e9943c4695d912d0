// Rounding to integers, remainders, and taking floats apart: round, sign, fract, modf, ldexp, frexp, ilogb, fmod.
#pragma once

#include "real.h"

namespace mettle::math {

// Halves away from zero.
template <class F>
METTLE_INLINE F round(F x) {
  const F whole = trunc(x);
  const F up = fabs(x - whole) >= 0.5f ? F(1.0f) : F(0.0f);
  return copysign(fabs(whole) + up, x);
}

// x - floor(x), at most `largest`, the largest number below 1 in the type of the result.
template <class F>
METTLE_INLINE F fract(F x, float largest) {
  const F rest = x - floor(x);
  return rest > largest ? F(largest) : rest;
}

// x - trunc(x), with the sign of x.
template <class F>
METTLE_INLINE F modf(F x, F& whole) {
  whole = trunc(x);
  return copysign(x == whole ? F(0.0f) : x - whole, x);
}

template <class F>
METTLE_INLINE F sign(F x) {
  const F unit = x < 0.0f ? F(-1.0f) : x;
  const F signed_unit = x > 0.0f ? F(1.0f) : unit;
  return x != x ? F(0.0f) : signed_unit;
}

// x 2^n, rounded once.
template <class F>
METTLE_INLINE F ldexp(F x, like<int, F> n) {
  using D = like<double, F>;
  // Beyond +-300 every float is infinity or 0 already; within, the product is exact in double.
  n = n < -300 ? like<int, F>(-300) : n;
  n = n > 300 ? like<int, F>(300) : n;
  const auto exponent = convert<like<ulong, F>>(n + 1023) << 52;
  return convert<F>(convert<D>(x) * bit_cast<D>(exponent));
}

// x = fraction 2^exponent with 1/2 <= |fraction| < 1; zero, infinity and NaN give themselves and 0.
template <class F>
METTLE_INLINE F frexp(F x, like<int, F>& exponent) {
  const F a = fabs(x);
  const F normal = a < 0x1p-126f ? x * 0x1p24f : x;
  const like<int, F> b = bits(normal);
  const like<int, F> biased = (b >> 23) & 255;
  const like<int, F> n = a < 0x1p-126f ? biased - 150 : biased - 126;
  const auto ordinary = both(a > 0.0f, a < infinity);
  exponent = ordinary ? n : like<int, F>(0);
  return ordinary ? bit_cast<F>((b & int(0x807fffff)) | 0x3f000000) : x;
}

// The exponent of x as an integer: FP_ILOGB0 for 0, INT_MAX for infinity, FP_ILOGBNAN for NaN.
template <class F>
METTLE_INLINE like<int, F> ilogb(F x) {
  using I = like<int, F>;
  constexpr int none = -2147483647 - 1;
  I exponent;
  frexp(x, exponent);
  const F a = fabs(x);
  const I finite = a == 0.0f ? I(none) : exponent - 1;
  const I number = a == infinity ? I(2147483647) : finite;
  return x != x ? I(none) : number;
}

// Whether any component of a mask is set.
METTLE_INLINE bool any_of(bool mask) { return mask; }
template <class Mask>
METTLE_INLINE bool any_of(Mask mask) {
  bool any = false;
  for (int i = 0; i < shape<Mask>::count; i++) any |= mask[i] != 0;
  return any;
}

// x - y trunc(x / y), exactly, with the sign of x; NaN for infinite x and for y = 0.
template <class F>
METTLE_INLINE F fmod(F x, F y) {
  using D = like<double, F>;
  D rest = convert<D>(fabs(x));
  const D divisor = convert<D>(fabs(y));
  // A quotient is right to 53 bits, what it leaves is exact, and is divided again: the largest quotient of floats, below
  // 2^277, takes six. A quotient that was rounded up leaves a negative rest.
  rest = fma(-trunc(rest / divisor), divisor, rest);
  for (int i = 1; i < 6 && any_of(either(rest >= divisor, rest <= -divisor)); i++) {
    rest = fma(-trunc(rest / divisor), divisor, rest);
  }
  rest = rest < 0.0 ? rest + divisor : rest;
  const F result = copysign(convert<F>(rest), x);
  return both(fabs(y) == infinity, fabs(x) < infinity) ? x : result;
}

}  // namespace mettle::math
