// sinh, cosh, tanh and their inverses.
#pragma once

#include "exponential.h"
#include "power.h"

namespace mettle::math {

// e^|x| / 2. Never e^|x| itself, which can overflow where sinh and cosh do not.
template <class F>
METTLE_INLINE F half_exp_of_magnitude(F x) {
  const exp_parts<F> e = split_exp(limit(fabs(x), 0.0f, 90.0f));
  return scale(1.0f + e.tail, e.n - 1u);
}

template <class F>
METTLE_INLINE F sinh(F x) {
  const F x2 = x * x;
  const F near_zero =
      fma(x * x2, polynomial(x2, 0x1.555556p-3f, 0x1.1110c4p-7f, 0x1.a036dap-13f, 0x1.720e84p-19f), x);
  const F power = half_exp_of_magnitude(x);
  return fabs(x) < 1.0f ? near_zero : copysign(power - 0.25f / power, x);
}

template <class F>
METTLE_INLINE F cosh(F x) {
  const F power = half_exp_of_magnitude(x);
  return power + 0.25f / power;
}

template <class F>
METTLE_INLINE F tanh(F x) {
  const F a = fabs(x);
  const F x2 = x * x;
  const F near_zero = fma(x * x2,
                          polynomial(x2, -0x1.555554p-2f, 0x1.110f12p-3f, -0x1.b95d98p-5f, 0x1.5a1ab2p-6f,
                                     -0x1.9bf2p-8f),
                          x);
  const exp_parts<F> e = split_exp(limit(2.0f * a, 0.0f, 20.0f));
  const F squared = (1.0f + e.tail) * power_of_two<F>(e.n);
  return copysign(a < 0.6f ? near_zero : 1.0f - 2.0f / (squared + 1.0f), x);
}

// The inverses are logarithms of expressions that lose digits near 0 and 1; double has them to spare.

inline constexpr double ln2_double = 0x1.62e42fefa39efp-1;

// Natural logarithm of a positive double near or above 1, to 2^-43 and at least 2^-53 absolutely.
template <class D>
METTLE_INLINE D log_double(D x) {
  using Bits = like<ulong, D>;
  constexpr ulong sqrt_half = 0x3fe6a09e667f3bcdul;
  const Bits shifted = bit_cast<Bits>(x) - sqrt_half;
  // n in the low bits of a double of known exponent: 64-bit integers do not convert in one instruction everywhere.
  const D n = bit_cast<D>((shifted >> 52) + 0x4330000000000000ul) - 0x1p52;
  const D f = bit_cast<D>((shifted & 0xffffffffffffful) + sqrt_half) - 1.0;
  const D t = f / (2.0 + f);
  const D series = polynomial(t * t, 2.0, 0x1.55555555553b6p-1, 0x1.9999999b88b42p-2, 0x1.2492462871f4bp-2,
                              0x1.c71fced569fc8p-3, 0x1.73828ac326ae1p-3, 0x1.546eb90cfd3ebp-3);
  return fma(t, series, n * ln2_double);
}

template <class F>
METTLE_INLINE F asinh(F x) {
  using D = like<double, F>;
  const F a = fabs(x);
  const D wide = convert<D>(a);
  const F result = convert<F>(log_double(wide + sqrt(fma(wide, wide, D(1.0)))));
  // Below 2^-12, asinh x = x - x^3/6 to float precision.
  const F near_zero = fma(a * a, a * (-1.0f / 6.0f), a);
  const F finite = a < 0x1p-12f ? near_zero : result;
  return copysign(a < infinity ? finite : a, x);
}

template <class F>
METTLE_INLINE F acosh(F x) {
  using D = like<double, F>;
  const D wide = convert<D>(x);
  const F result = convert<F>(log_double(wide + sqrt((wide - 1.0) * (wide + 1.0))));
  const F finite = x < infinity ? result : x;
  return x < 1.0f ? F(nan) : finite;
}

template <class F>
METTLE_INLINE F atanh(F x) {
  using D = like<double, F>;
  const F a = fabs(x);
  const D wide = convert<D>(a);
  const F result = convert<F>(0.5 * log_double((1.0 + wide) / (1.0 - wide)));
  // Below 2^-12, atanh x = x + x^3/3 to float precision.
  const F near_zero = fma(a * a, a * (1.0f / 3.0f), a);
  F limited = a < 0x1p-12f ? near_zero : result;
  limited = a < 1.0f ? limited : F(nan);
  return copysign(a == 1.0f ? F(infinity) : limited, x);
}

}  // namespace mettle::math
