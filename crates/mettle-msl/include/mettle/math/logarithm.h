// log, log2 and log10: x = 2^n (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), and log(1 + f) as a sum high + low, of which
// high carries the leading terms exactly enough that multiplying by 1/log(base) loses nothing that shows.
//
// log(0) is -infinity, log of a negative number NaN. Denormal operands are exact.
#pragma once

#include "real.h"

namespace mettle::math {

template <class F>
struct log_parts {
  F n;
  F f;
};

// x = 2^n (1 + f) for positive finite x, denormal or not.
template <class F>
METTLE_INLINE log_parts<F> split_log(F x) {
  constexpr uint sqrt_half = 0x3f3504f3;
  const F normal = x < 0x1p-126f ? x * 0x1p23f : x;
  const like<uint, F> shifted = bit_cast<like<uint, F>>(normal) - sqrt_half;
  const F m = bit_cast<F>((shifted & 0x7fffffu) + sqrt_half);
  const F exponent = convert<F>(bit_cast<like<int, F>>(shifted) >> 23);
  const F n = x < 0x1p-126f ? exponent - 23.0f : exponent;
  return {n, m - 1.0f};
}

// log(1 + f) - f, for |f| <= 0.4143.
template <class F>
METTLE_INLINE F log1p_tail(F f) {
  const F p = polynomial(f, 0x1.555556p-2f, -0x1.fffff2p-3f, 0x1.9998e4p-3f, -0x1.555c3cp-3f, 0x1.24b37ep-3f,
                         -0x1.fe2756p-4f, 0x1.c0ddacp-4f, -0x1.afee96p-4f, 0x1.bf1c04p-4f, -0x1.18c61ap-4f);
  return (f * f) * fma(p, f, F(-0.5f));
}

// `result` where x is positive and finite, the limits elsewhere.
template <class F>
METTLE_INLINE F with_log_limits(F x, F result) {
  result = x < infinity ? result : x;
  result = x < 0.0f ? F(nan) : result;
  return x == 0.0f ? F(-infinity) : result;
}

template <class F>
METTLE_INLINE F log(F x) {
  constexpr float ln2_high = 0x1.62e4p-1f;  // 16 bits: n * ln2_high is exact
  constexpr float ln2_low = 0x1.7f7d1cp-20f;
  const log_parts<F> s = split_log(x);
  const F high = s.n * ln2_high;
  const F sum = high + s.f;
  const F lost = (high - sum) + s.f;  // |high| > |f|, or high is 0
  return with_log_limits(x, sum + (lost + fma(s.n, F(ln2_low), log1p_tail(s.f))));
}

// log(x) / log(base), where n * base_2_high + n * base_2_low is log(2^n) in that base, and likewise for 1 / log(base).
template <class F>
METTLE_INLINE F log_in_base(F x, float scale_high, float scale_low, float base_2_high, float base_2_low) {
#pragma clang fp contract(off)
  const log_parts<F> s = split_log(x);
  const F tail = log1p_tail(s.f);
  const F high = s.f + tail;
  const F low = (s.f - high) + tail;
  const F product = high * scale_high;
  const F rest = fma(high, F(scale_high), -product) + fma(low, F(scale_high), high * scale_low);
  const F whole = s.n * base_2_high;
  const F sum = whole + product;
  const F lost = (whole - sum) + product;
  return with_log_limits(x, sum + (lost + fma(s.n, F(base_2_low), rest)));
}

template <class F>
METTLE_INLINE F log2(F x) {
  return log_in_base(x, 0x1.715476p0f, 0x1.4ae0cp-26f, 1.0f, 0.0f);
}

template <class F>
METTLE_INLINE F log10(F x) {
  return log_in_base(x, 0x1.bcb7b2p-2f, -0x1.5b235ep-27f, 0x1.344p-2f, 0x1.3509f8p-18f);
}

// For metal::fast: without the compensation, for normal positive x.
template <class F>
METTLE_INLINE F fast_log2(F x) {
  const log_parts<F> s = split_log(x);
  const F p = polynomial(s.f, 0x1.715476p0f, -0x1.715528p-1f, 0x1.ec75cap-2f, -0x1.70e12ep-2f, 0x1.261abcp-2f,
                         -0x1.fe0fp-3f, 0x1.dddcf6p-3f, -0x1.27d436p-3f);
  return with_log_limits(x, fma(s.f, p, s.n));
}
template <class F>
METTLE_INLINE F fast_log(F x) {
  return fast_log2(x) * 0x1.62e43p-1f;
}

}  // namespace mettle::math
