// exp, exp2 and exp10.
//
// All reduce to r = x - n log(2) in units of their base, |r| <= log(2)/2, and multiply a polynomial in r by 2^n. The
// polynomials are minimax fits over that range with float coefficients. Results beyond the range of float are infinity
// and 0, denormal results are kept, NaN stays NaN.
#pragma once

#include "real.h"

namespace mettle::math {

inline constexpr float log2_e = 0x1.715476p0f;
inline constexpr float ln2_high = 0x1.62e43p-1f;
inline constexpr float ln2_low = -0x1.05c61p-29f;

// e^x = (1 + tail) 2^n, for |x| <= 180.
template <class F>
struct exp_parts {
  F tail;
  like<uint, F> n;
};
template <class F>
METTLE_INLINE exp_parts<F> split_exp(F x) {
  const nearest_integer<F> n = nearest(x * log2_e);
  const F r = fma(n.value, F(-ln2_low), fma(n.value, F(-ln2_high), x));
  const F q =
      polynomial(r, 0x1p-1f, 0x1.555556p-3f, 0x1.555502p-5f, 0x1.110ff4p-7f, 0x1.6d2e0ep-10f, 0x1.a262bp-13f);
  return {fma(r * r, q, r), n.bits};
}

template <class F>
METTLE_INLINE F exp(F x) {
  const exp_parts<F> e = split_exp(limit(x, -104.0f, 89.0f));
  return scale(1.0f + e.tail, e.n);
}

template <class F>
METTLE_INLINE F exp2(F x) {
  const F limited = limit(x, -151.0f, 129.0f);
  const nearest_integer<F> n = nearest(limited);
  const F r = limited - n.value;
  const F p = polynomial(r, 1.0f, 0x1.62e43p-1f, 0x1.ebfbep-3f, 0x1.c6b06cp-5f, 0x1.3b2a54p-7f, 0x1.5da97ap-10f,
                         0x1.44175ep-13f, 0x1.da675cp-17f);
  return scale(p, n.bits);
}

template <class F>
METTLE_INLINE F exp10(F x) {
  constexpr float log2_10 = 0x1.a934fp1f;
  constexpr float log10_2_high = 0x1.344136p-2f;
  constexpr float log10_2_low = -0x1.ec10cp-27f;
  const F limited = limit(x, -46.0f, 39.0f);
  const nearest_integer<F> n = nearest(limited * log2_10);
  const F r = fma(n.value, F(-log10_2_low), fma(n.value, F(-log10_2_high), limited));
  const F p = polynomial(r, 1.0f, 0x1.26bb1cp1f, 0x1.53524cp1f, 0x1.046ffap1f, 0x1.2bd788p0f, 0x1.14ad24p-1f,
                         0x1.a8ccd6p-3f, 0x1.60316ap-5f);
  return scale(p, n.bits);
}

// For metal::fast: a shorter polynomial. The result is 0 below the normal range.
template <class F>
METTLE_INLINE F fast_exp(F x) {
  const F limited = x > 88.8f ? F(88.8f) : x;
  const nearest_integer<F> n = nearest(limited * log2_e);
  const F r = fma(n.value, F(-ln2_low), fma(n.value, F(-ln2_high), limited));
  const F p =
      polynomial(r, 1.0f, 1.0f, 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239e2p-7f, 0x1.6a2434p-10f);
  return x < -87.33654f ? F(0.0f) : scale(p, n.bits);
}

#ifdef METTLE_PTX
// An instruction, within 2^-22 of the result, which is 0 below the normal range.
template <class F>
METTLE_INLINE F fast_exp2(F x) {
  if constexpr (is_vector<F>) {
    for (int i = 0; i < shape<F>::count; i++) x[i] = __nvvm_ex2_approx_ftz_f(x[i]);
    return x;
  } else {
    return __nvvm_ex2_approx_ftz_f(x);
  }
}
#else
template <class F>
METTLE_INLINE F fast_exp2(F x) {
  const F limited = x > 128.0f ? F(128.0f) : x;
  const nearest_integer<F> n = nearest(limited);
  const F p = polynomial(limited - n.value, 1.0f, 0x1.62e43p-1f, 0x1.ebfbdcp-3f, 0x1.c6aee8p-5f, 0x1.3b2d4ep-7f,
                         0x1.5f3e8p-10f, 0x1.41fbap-13f);
  return x < -126.0f ? F(0.0f) : scale(p, n.bits);
}
#endif  // METTLE_PTX

}  // namespace mettle::math
