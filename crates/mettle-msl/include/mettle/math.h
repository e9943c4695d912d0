// The floating-point functions of <metal_math> and <metal_common>, for float, half and their vectors.
//
// half is computed in float and rounded, which leaves at most 0.51 ULP of half. A bfloat converts to float, as in
// Metal.
// Largest errors of the float functions in ULP, over all of float unless a range is given (docs/numerics.md):
//
//   exp 1.0   exp2 0.9   exp10 1.0    log 0.9    log2 1.0   log10 0.8    pow, powr 0.51
//   sin 1.6   cos 1.6    tan 0.51     sinpi 1.6  cospi 1.6  tanpi 3.5
//   asin 1.9  acos 1.1   atan 1.5     atan2 1.5
//   sinh 1.7  cosh 1.5   tanh 1.4     asinh, acosh, atanh 0.51
//   sqrt, rsqrt, fma, fmod, ldexp, rounding, minima and maxima: correctly rounded
//
// Infinities, NaN and signed zeros are those of C; denormal operands and results are kept. metal::precise has the same
// functions. metal::fast replaces some by shorter ones:
//
//   exp 1.0, exp2 1.0, on NVIDIA GPUs 2.1 (0 below the normal range)    log, log2 5; outside of [1/2, 2] 2.3 and 1.4 (normal operands)
//   sin, cos 1.6, tan 3.6 (|x| <= 100 000)    tanh 2^-21 absolutely    pow, powr: exp2(y log2(x))
#pragma once

#include "arguments.h"
#include "math/common.h"
#include "math/exponential.h"
#include "math/hyperbolic.h"
#include "math/inverse_trigonometric.h"
#include "math/logarithm.h"
#include "math/power.h"
#include "math/rounding.h"
#include "math/trigonometric.h"

namespace metal {

METTLE_FLOAT_FUNCTION1(exp, mettle::math::exp)
METTLE_FLOAT_FUNCTION1(exp2, mettle::math::exp2)
METTLE_FLOAT_FUNCTION1(exp10, mettle::math::exp10)
METTLE_FLOAT_FUNCTION1(log, mettle::math::log)
METTLE_FLOAT_FUNCTION1(log2, mettle::math::log2)
METTLE_FLOAT_FUNCTION1(log10, mettle::math::log10)
METTLE_FLOAT_FUNCTION2(pow, mettle::math::pow)
METTLE_FLOAT_FUNCTION2(powr, mettle::math::powr)

METTLE_FLOAT_FUNCTION1(sin, mettle::math::sin)
METTLE_FLOAT_FUNCTION1(cos, mettle::math::cos)
METTLE_FLOAT_FUNCTION1(tan, mettle::math::tan)
METTLE_FLOAT_FUNCTION1(sinpi, mettle::math::sinpi)
METTLE_FLOAT_FUNCTION1(cospi, mettle::math::cospi)
METTLE_FLOAT_FUNCTION1(tanpi, mettle::math::tanpi)
METTLE_FLOAT_FUNCTION1(asin, mettle::math::asin)
METTLE_FLOAT_FUNCTION1(acos, mettle::math::acos)
METTLE_FLOAT_FUNCTION1(atan, mettle::math::atan)
METTLE_FLOAT_FUNCTION2(atan2, mettle::math::atan2)

METTLE_FLOAT_FUNCTION1(sinh, mettle::math::sinh)
METTLE_FLOAT_FUNCTION1(cosh, mettle::math::cosh)
METTLE_FLOAT_FUNCTION1(tanh, mettle::math::tanh)
METTLE_FLOAT_FUNCTION1(asinh, mettle::math::asinh)
METTLE_FLOAT_FUNCTION1(acosh, mettle::math::acosh)
METTLE_FLOAT_FUNCTION1(atanh, mettle::math::atanh)

METTLE_FLOAT_FUNCTION1(sqrt, mettle::math::sqrt)
METTLE_FLOAT_FUNCTION1(rsqrt, mettle::math::rsqrt)
METTLE_FLOAT_FUNCTION2(divide, mettle::math::divide)
METTLE_INLINE float fma(float x, float y, float z) { return mettle::math::fma(x, y, z); }
METTLE_INLINE half fma(half x, half y, half z) { return mettle::math::fma_of_halves<half>(x, y, z); }
template <class A, class B, class C, class V = mettle::float_vector_of<A, B, C>>
METTLE_INLINE V fma(A x, B y, C z) {
  if constexpr (is_same_v<typename V::element_type, half>) {
    return V::from_native(mettle::math::fma_of_halves<typename V::computed>(V(x).to_native(), V(y).to_native(), V(z).to_native()));
  } else {
    return V::from_native(mettle::math::fma(V(x).to_native(), V(y).to_native(), V(z).to_native()));
  }
}
METTLE_FLOAT_FUNCTION2(fmod, mettle::math::fmod)
METTLE_FLOAT_FUNCTION2(fdim, mettle::math::fdim)

METTLE_FLOAT_FUNCTION1(abs, mettle::math::fabs)
METTLE_FLOAT_FUNCTION1(fabs, mettle::math::fabs)
METTLE_FLOAT_FUNCTION1(floor, mettle::math::floor)
METTLE_FLOAT_FUNCTION1(ceil, mettle::math::ceil)
METTLE_FLOAT_FUNCTION1(trunc, mettle::math::trunc)
METTLE_FLOAT_FUNCTION1(rint, mettle::math::rint)
METTLE_FLOAT_FUNCTION1(round, mettle::math::round)
METTLE_FLOAT_FUNCTION1(sign, mettle::math::sign)
METTLE_FLOAT_FUNCTION2(copysign, mettle::math::copysign)

METTLE_FLOAT_FUNCTION2(fmin, mettle::math::fmin)
METTLE_FLOAT_FUNCTION2(fmax, mettle::math::fmax)
METTLE_FLOAT_FUNCTION2(min, mettle::math::fmin)
METTLE_FLOAT_FUNCTION2(max, mettle::math::fmax)
METTLE_FLOAT_FUNCTION3(fmin3, mettle::math::fmin3)
METTLE_FLOAT_FUNCTION3(fmax3, mettle::math::fmax3)
METTLE_FLOAT_FUNCTION3(fmedian3, mettle::math::fmedian3)
METTLE_FLOAT_FUNCTION3(min3, mettle::math::fmin3)
METTLE_FLOAT_FUNCTION3(max3, mettle::math::fmax3)
METTLE_FLOAT_FUNCTION3(median3, mettle::math::fmedian3)

METTLE_FLOAT_FUNCTION3(clamp, mettle::math::clamp)
METTLE_FLOAT_FUNCTION1(saturate, mettle::math::saturate)
METTLE_FLOAT_FUNCTION3(mix, mettle::math::mix)
METTLE_FLOAT_FUNCTION2(step, mettle::math::step)
METTLE_FLOAT_FUNCTION3(smoothstep, mettle::math::smoothstep)

}  // namespace metal

#include "math_parts.h"
