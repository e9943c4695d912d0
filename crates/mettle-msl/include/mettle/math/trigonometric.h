// sin, cos, tan and their pi forms. The argument is reduced to r = x - n pi/2, |r| <= pi/4; n mod 4 chooses between the
// polynomials for sine and cosine and their signs.
#pragma once

#include "large_angle.h"
#include "real.h"

namespace mettle::math {

// --- sine and cosine of a reduced argument

template <class F>
METTLE_INLINE F sin_polynomial(F r) {
  const F r2 = r * r;
  return fma(r * r2, polynomial(r2, -0x1.555556p-3f, 0x1.111196p-7f, -0x1.a08006p-13f, 0x1.867348p-19f), r);
}

template <class F>
METTLE_INLINE F cos_polynomial(F r) {
  const F r2 = r * r;
  const F tail = polynomial(r2, 0x1.555554p-5f, -0x1.6c128ep-10f, 0x1.9bbd42p-16f);
  return fma(r2 * r2, tail, fma(r2, F(-0.5f), F(1.0f)));
}

// x = r + n pi/2; the low two bits of `quadrant` are those of n. R is F, or double where that is needed.
template <class R>
struct reduced {
  R r;
  like<uint, R> quadrant;
};

template <class F>
METTLE_INLINE F sin_of(reduced<F> x) {
  const F value = (x.quadrant & 1u) != 0u ? cos_polynomial(x.r) : sin_polynomial(x.r);
  return bit_cast<F>(bit_cast<like<uint, F>>(value) ^ (x.quadrant & 2u) << 30);
}
template <class F>
METTLE_INLINE F cos_of(reduced<F> x) {
  x.quadrant += 1u;
  return sin_of(x);
}
// sin / cos, or -cos / sin in odd quadrants.
template <class R>
METTLE_INLINE R tan_of(reduced<R> x) {
  const R s = sin_polynomial(x.r), c = cos_polynomial(x.r);
  const auto odd = convert<R>(x.quadrant & 1u) != R(0);
  return (odd ? -c : s) / (odd ? s : c);
}

// --- reduction

// For metal::fast: pi/2 in three parts, in float; |x| <= 100 000.
template <class F>
METTLE_INLINE reduced<F> fast_reduce(F x) {
  const nearest_integer<F> n = nearest(x * 0x1.45f306p-1f);
  // The first product needs no more bits than the difference has, so that fma loses nothing.
  F r = fma(n.value, F(-0x1.921fb6p0f), x);
  r = fma(n.value, F(0x1.777a5cp-25f), r);
  r = fma(n.value, F(0x1.ee59dap-50f), r);
  return {r, n.bits};
}

// For every x: exact to 2^-50 of r. Infinity gives NaN.
template <class F>
METTLE_INLINE reduced<like<double, F>> reduce(F x) {
  using D = like<double, F>;
  constexpr double shift = 0x1.8p52;
  const two_part<D> folded = fold_large_angle(x);
  const D shifted = fma(folded.high, D(0x1.45f306dc9c883p-1), D(shift));
  const D n = shifted - shift;
  D r = fma(n, D(-0x1.921fb54442d18p0), folded.high);
  r = fma(n, D(-0x1.1a62633145c07p-54), r) + folded.low;
  const auto quadrant = convert<like<uint, F>>(bit_cast<like<ulong, F>>(shifted));
  return {r, quadrant};
}

template <class F>
METTLE_INLINE reduced<F> in_float(reduced<like<double, F>> x) {
  return {convert<F>(x.r), x.quadrant};
}

// The sine of -0 is -0.
template <class F>
METTLE_INLINE F sin(F x) {
  return x == 0.0f ? x : sin_of(in_float<F>(reduce(x)));
}
template <class F>
METTLE_INLINE F cos(F x) {
  return cos_of(in_float<F>(reduce(x)));
}
template <class F>
METTLE_INLINE F tan(F x) {
  return x == 0.0f ? x : convert<F>(tan_of(reduce(x)));
}

template <class F>
METTLE_INLINE F fast_sin(F x) {
  return sin_of(fast_reduce(x));
}
template <class F>
METTLE_INLINE F fast_cos(F x) {
  return cos_of(fast_reduce(x));
}
template <class F>
METTLE_INLINE F fast_tan(F x) {
  return tan_of(fast_reduce(x));
}

// --- the pi forms: sin(pi x)

template <class F>
METTLE_INLINE reduced<F> reduce_pi(F x) {
  // From 2^24 on every float is even: its angle is 0.
  const F small = fabs(x) < 0x1p24f ? x : x - x;
  const F n = rint(small * 2.0f);
  const F turns = fma(n, F(-0.5f), small);
  const F r = fma(turns, F(0x1.921fb6p1f), turns * -0x1.777a5cp-24f);
  return {r, nearest(fma(floor(n * 0.25f), F(-4.0f), n)).bits};
}

template <class F>
METTLE_INLINE F sinpi(F x) {
  return x == 0.0f ? x : sin_of(reduce_pi(x));
}
template <class F>
METTLE_INLINE F cospi(F x) {
  return cos_of(reduce_pi(x));
}
template <class F>
METTLE_INLINE F tanpi(F x) {
  return x == 0.0f ? x : tan_of(reduce_pi(x));
}

}  // namespace mettle::math
