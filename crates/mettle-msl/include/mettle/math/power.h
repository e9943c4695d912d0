// pow and powr, through logarithm and exponential in double: the float result is then within 0.51 ULP, without the
// compensated arithmetic that float alone would take.
#pragma once

#include "logarithm.h"

namespace mettle::math {

// log2(x) for positive x, to 2^-43 of its value; -infinity for 0, infinity for infinity, NaN for NaN.
template <class F>
METTLE_INLINE like<double, F> log2_double(F x) {
  using D = like<double, F>;
  constexpr double inf = __builtin_inf();
  const log_parts<F> s = split_log(x);
  const D f = convert<D>(s.f);
  // log((1 + t) / (1 - t)) = 2 (t + t^3/3 + ...), with (1 + t) / (1 - t) = 1 + f.
  const D t = f / (2.0 + f);
  const D series = polynomial(t * t, 0x1.71547652b82fep1, 0x1.ec709dc3b6d9dp-1, 0x1.2776c4795b39cp-1,
                              0x1.a6189f1088abbp-2, 0x1.47d653fe2aafdp-2, 0x1.1e0fb0d030231p-2);
  const D result = fma(t, series, convert<D>(s.n));
  const D wide = convert<D>(x);
  const D finite = wide < inf ? result : wide;
  return wide == 0.0 ? D(-inf) : finite;
}

// 2^x to 2^-43, for any x; 0 below -1000 and infinity above 1000, which is beyond float.
template <class D>
METTLE_INLINE D exp2_double(D x) {
  using Bits = like<ulong, D>;
  constexpr double shift = 0x1.8p52;
  D limited = x < -1000.0 ? D(-1000.0) : x;
  limited = limited > 1000.0 ? D(1000.0) : limited;
  const D shifted = limited + shift;
  const D r = limited - (shifted - shift);
  const D p = polynomial(r, 1.0, 0x1.62e42fefa39ffp-1, 0x1.ebfbdff823ce7p-3, 0x1.c6b08d704023bp-5, 0x1.3b2ab7181c2ddp-7,
                         0x1.5d87fe9a504c4p-10, 0x1.4308ac843ad66p-13, 0x1.ffcb575b96492p-17, 0x1.63d137d9e6081p-20,
                         0x1.b6762d3443a92p-24);
  const Bits n = bit_cast<Bits>(shifted) - __builtin_bit_cast(ulong, shift);
  return p * bit_cast<D>((n + 1023ul) << 52);
}

// x^y for x >= 0. NaN for negative x, and for 0^0, infinity^0 and 1^infinity.
template <class F>
METTLE_INLINE F powr(F x, F y) {
  using D = like<double, F>;
  const F power = convert<F>(exp2_double(convert<D>(y) * log2_double(fabs(x))));
  return x < 0.0f ? F(nan) : power;
}

// x^y with the limits of C: 1 for y = 0 and for x = 1, even if the other is NaN; NaN for negative x unless y is an
// integer.
template <class F>
METTLE_INLINE F pow(F x, F y) {
  using D = like<double, F>;
  const F magnitude = convert<F>(exp2_double(convert<D>(y) * log2_double(fabs(x))));
  const auto y_is_integer = trunc(y) == y;
  const auto y_is_even = trunc(y * 0.5f) == y * 0.5f;
  const F odd = copysign(magnitude, x);
  const F even_or_odd = y_is_even ? magnitude : odd;
  // Here y is not an integer: an error unless x is +-0, +-infinity or positive.
  const F fractional = both(x < 0.0f, x > -infinity) ? F(nan) : magnitude;
  F result = y_is_integer ? even_or_odd : fractional;
  result = both(x == -1.0f, fabs(y) == infinity) ? F(1.0f) : result;
  return either(x == 1.0f, y == 0.0f) ? F(1.0f) : result;
}

}  // namespace mettle::math
