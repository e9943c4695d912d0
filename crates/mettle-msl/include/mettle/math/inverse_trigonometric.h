// asin, acos, atan and atan2, from minimax polynomials on [0, 1/2] (arc sine) and [0, 1] (arc tangent).
#pragma once

#include "real.h"

namespace mettle::math {

inline constexpr float pi_high = 0x1.921fb6p1f;
inline constexpr float pi_low = -0x1.777a5cp-24f;
inline constexpr float half_pi_high = 0x1.921fb6p0f;
inline constexpr float half_pi_low = -0x1.777a5cp-25f;

// (asin(x) - x) / x, given x^2 for |x| <= 1/2.
template <class F>
METTLE_INLINE F asin_tail(F x2) {
  return x2 * polynomial(x2, 0x1.555554p-3f, 0x1.3334c8p-4f, 0x1.6d4032p-5f, 0x1.ff9494p-6f, 0x1.10abf6p-6f,
                         0x1.1a258cp-5f);
}

// Above 1/2, asin x = pi/2 - 2 asin(sqrt((1 - x) / 2)). NaN beyond [-1, 1].
template <class F>
METTLE_INLINE F asin(F x) {
  const F a = fabs(x);
  const F x2 = a < 0.5f ? x * x : fma(a, F(-0.5f), F(0.5f));
  const F root = a < 0.5f ? a : sqrt(x2);
  const F tail = asin_tail(x2);
  const F direct = fma(root, tail, root);
  const F complement = half_pi_high - fma(F(2.0f) * root, tail, fma(root, F(2.0f), F(-half_pi_low)));
  return copysign(a < 0.5f ? direct : complement, x);
}

template <class F>
METTLE_INLINE F acos(F x) {
  const F a = fabs(x);
  const F x2 = a < 0.5f ? x * x : fma(a, F(-0.5f), F(0.5f));
  const F root = a < 0.5f ? x : sqrt(x2);
  const F arc = fma(root, asin_tail(x2), root);
  const F middle = half_pi_high - (arc - half_pi_low);
  const F outer = x < 0.0f ? pi_high - (2.0f * arc - pi_low) : 2.0f * arc;
  return a < 0.5f ? middle : outer;
}

// (atan(t) - t) / t for 0 <= t <= 1.
template <class F>
METTLE_INLINE F atan_tail(F t) {
  const F t2 = t * t;
  return t2 * polynomial(t2, -0x1.555554p-2f, 0x1.999832p-3f, -0x1.246ce4p-3f, 0x1.c3f7fep-4f, -0x1.62baf8p-4f,
                         0x1.005ebp-4f, -0x1.26cceep-5f, 0x1.bd14p-7f, -0x1.3b6c6ap-9f);
}

template <class F>
METTLE_INLINE F atan(F x) {
  const F a = fabs(x);
  const F t = a > 1.0f ? 1.0f / a : a;
  const F tail = atan_tail(t);
  const F arc = fma(t, tail, t);
  const F result = a > 1.0f ? half_pi_high - (arc - half_pi_low) : arc;
  return copysign(result, x);
}

// The angle of the point (x, y), in (-pi, pi]; axes and infinities as in C.
template <class F>
METTLE_INLINE F atan2(F y, F x) {
  const F ax = fabs(x), ay = fabs(y);
  const F larger = ax > ay ? ax : ay;
  const F smaller = ax > ay ? ay : ax;
  // Equal operands, among them two zeros and two infinities, lie on the diagonal, or at 0 for zeros.
  F t = smaller / larger;
  t = ax == ay ? F(1.0f) : t;
  t = larger == 0.0f ? F(0.0f) : t;
  const F arc = fma(t, atan_tail(t), t);
  const F upper = ay > ax ? half_pi_high - (arc - half_pi_low) : arc;
  const F result = bits(x) < 0 ? pi_high - (upper - pi_low) : upper;
  return copysign(either(x != x, y != y) ? F(nan) : result, y);
}

}  // namespace mettle::math
