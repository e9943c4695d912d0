// metal::precise and metal::fast. Precise functions are the default ones; fast ones differ where a shorter computation
// pays.
#pragma once

#include "integer.h"
#include "math.h"
#include "math_parts.h"

namespace mettle::math {

template <class F>
METTLE_INLINE F fast_powr(F x, F y) {
  return fast_exp2(y * fast_log2(x));
}
template <class F>
METTLE_INLINE F fast_tanh(F x) {
  return 1.0f - 2.0f / (fast_exp(2.0f * x) + 1.0f);
}

}  // namespace mettle::math

// Functions that are the same in every mode.
#define METTLE_SAME_IN_EVERY_MODE                                                                          \
  using metal::abs, metal::acos, metal::acosh, metal::asin, metal::asinh, metal::atan, metal::atan2,       \
      metal::atanh, metal::ceil, metal::clamp, metal::copysign, metal::cosh, metal::cospi, metal::divide,  \
      metal::exp10, metal::fabs, metal::fdim, metal::floor, metal::fma, metal::fmax, metal::fmax3,         \
      metal::fmedian3, metal::fmin, metal::fmin3, metal::fmod, metal::fract, metal::frexp, metal::ilogb,   \
      metal::ldexp, metal::log10, metal::max, metal::max3, metal::median3, metal::min, metal::min3,        \
      metal::mix, metal::modf, metal::nextafter, metal::rint, metal::round, metal::rsqrt, metal::saturate, \
      metal::sign, metal::sinh, metal::sinpi, metal::smoothstep, metal::sqrt, metal::step, metal::tanpi,   \
      metal::trunc;

namespace metal::precise {

METTLE_SAME_IN_EVERY_MODE
using metal::cos, metal::exp, metal::exp2, metal::log, metal::log2, metal::pow, metal::powr, metal::sin, metal::sincos,
    metal::tan, metal::tanh;

}  // namespace metal::precise

namespace metal::fast {

METTLE_SAME_IN_EVERY_MODE
METTLE_FLOAT_FUNCTION1(exp, mettle::math::fast_exp)
METTLE_FLOAT_FUNCTION1(exp2, mettle::math::fast_exp2)
METTLE_FLOAT_FUNCTION1(log, mettle::math::fast_log)
METTLE_FLOAT_FUNCTION1(log2, mettle::math::fast_log2)
METTLE_FLOAT_FUNCTION2(pow, mettle::math::fast_powr)
METTLE_FLOAT_FUNCTION2(powr, mettle::math::fast_powr)
METTLE_FLOAT_FUNCTION1(sin, mettle::math::fast_sin)
METTLE_FLOAT_FUNCTION1(cos, mettle::math::fast_cos)
METTLE_FLOAT_FUNCTION1(tan, mettle::math::fast_tan)
METTLE_FLOAT_FUNCTION1(tanh, mettle::math::fast_tanh)

template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>
METTLE_INLINE T sincos(A x, mettle::identity_t<T>& cosine) {
  const auto reduced = mettle::math::fast_reduce(mettle::to_floats<T>(x));
  cosine = mettle::from_floats<T>(mettle::math::cos_of(reduced));
  return mettle::from_floats<T>(mettle::math::sin_of(reduced));
}

}  // namespace metal::fast

#undef METTLE_SAME_IN_EVERY_MODE
