// Short compositions: rsqrt, minima and maxima of three, clamp, mix, step...
#pragma once

#include "real.h"

namespace mettle::math {

// Correctly rounded: one step of Newton's method, with the rest 1 - x y^2 to twice the precision of float.
template <class F>
METTLE_INLINE F rsqrt(F x) {
  const F y = 1.0f / sqrt(x);
  const F product = x * y;
  const F lost = fma(x, y, -product);
  const F rest = fma(-lost, y, fma(-product, y, F(1.0f)));
  const F corrected = fma(y * 0.5f, rest, y);
  return both(y > 0.0f, y < infinity) ? corrected : y;
}
template <class F>
METTLE_INLINE F divide(F x, F y) {
  return x / y;
}
// x - y where that is positive, else 0.
template <class F>
METTLE_INLINE F fdim(F x, F y) {
  const F difference = x - y;
  return x <= y ? F(0.0f) : difference;
}

template <class F>
METTLE_INLINE F fmin3(F x, F y, F z) {
  return fmin(fmin(x, y), z);
}
template <class F>
METTLE_INLINE F fmax3(F x, F y, F z) {
  return fmax(fmax(x, y), z);
}
template <class F>
METTLE_INLINE F fmedian3(F x, F y, F z) {
  return fmax(fmin(x, y), fmin(fmax(x, y), z));
}

template <class F>
METTLE_INLINE F clamp(F x, F low, F high) {
  return fmin(fmax(x, low), high);
}
template <class F>
METTLE_INLINE F saturate(F x) {
  return clamp(x, F(0.0f), F(1.0f));
}
template <class F>
METTLE_INLINE F mix(F x, F y, F a) {
  return x + (y - x) * a;
}
template <class F>
METTLE_INLINE F step(F edge, F x) {
  return x < edge ? F(0.0f) : F(1.0f);
}
template <class F>
METTLE_INLINE F smoothstep(F edge0, F edge1, F x) {
  const F t = saturate((x - edge0) / (edge1 - edge0));
  return t * t * (3.0f - 2.0f * t);
}

}  // namespace mettle::math
