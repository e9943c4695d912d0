// The vocabulary the math functions are written in. Each is a template over F, which is float or a native vector of
// floats: one text serves scalars, float4 and the loops that clang vectorises. There are no branches on data; a
// condition is `mask ? a : b`, which selects component by component.
//
// Where an error is quoted, it is the largest found by xtask numerics, in units in the last place (ULP) of the
// correctly rounded float.
#pragma once

#include "../lanes.h"

namespace mettle::math {

// --- the types that go with F

template <class F>
struct shape {
  static constexpr int count = 1;
  template <class T>
  using of = T;
};
template <class S, int N>
struct shape<S __attribute__((ext_vector_type(N)))> {
  static constexpr int count = N;
  template <class T>
  using of = native<T, N>;
};

// The type of as many components as F has, each a T.
template <class T, class F>
using like = typename shape<F>::template of<T>;

template <class F>
inline constexpr bool is_vector = !metal::is_arithmetic_v<F>;

// Component by component conversion, as static_cast does it.
template <class To, class From>
METTLE_INLINE To convert(From x) {
  if constexpr (is_vector<From>) {
    return __builtin_convertvector(x, To);
  } else {
    return To(x);
  }
}

template <class To, class From>
METTLE_INLINE To bit_cast(From x) {
  return __builtin_bit_cast(To, x);
}
template <class F>
METTLE_INLINE like<int, F> bits(F x) {
  return bit_cast<like<int, F>>(x);
}

inline constexpr float infinity = __builtin_inff();
inline constexpr float nan = __builtin_nanf("");

// Conditions joined without a branch.
template <class Mask>
METTLE_INLINE Mask both(Mask a, Mask b) {
  return a & b;
}
template <class Mask>
METTLE_INLINE Mask either(Mask a, Mask b) {
  return a | b;
}

// --- single instructions, for float and double

METTLE_INLINE float scalar_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
METTLE_INLINE double scalar_fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
METTLE_INLINE float scalar_sqrt(float x) { return __builtin_sqrtf(x); }
METTLE_INLINE double scalar_sqrt(double x) { return __builtin_sqrt(x); }
METTLE_INLINE float scalar_rint(float x) { return __builtin_rintf(x); }
METTLE_INLINE double scalar_rint(double x) { return __builtin_rint(x); }

// clang 16 has no builtins for these on whole vectors.
template <class F>
METTLE_INLINE F fma(F a, F b, F c) {
#if __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#else
  if constexpr (is_vector<F>) {
    for (int i = 0; i < shape<F>::count; i++) a[i] = scalar_fma(a[i], b[i], c[i]);
    return a;
  } else {
    return scalar_fma(a, b, c);
  }
#endif
}

// The same of halves H, rounded once. The sum is exact in double; to odd in float, it rounds to half as the exact one does.
template <class H>
METTLE_INLINE H fma_of_halves(H a, H b, H c) {
#ifdef METTLE_PTX
  return __builtin_elementwise_fma(a, b, c);
#else
  using D = like<double, H>;
  using Bits = like<ulong, H>;
  constexpr ulong below_float = (1ul << 29) - 1;
  const Bits sum = bit_cast<Bits>(fma(convert<D>(a), convert<D>(b), convert<D>(c)));
  const Bits kept = sum & ~below_float;
  const Bits odd = sum != kept ? kept | (below_float + 1) : kept;
  return convert<H>(convert<like<float, H>>(bit_cast<D>(odd)));
#endif
}

template <class F>
METTLE_INLINE F sqrt(F x) {
#if __has_builtin(__builtin_elementwise_sqrt)
  return __builtin_elementwise_sqrt(x);
#else
  if constexpr (is_vector<F>) {
    for (int i = 0; i < shape<F>::count; i++) x[i] = scalar_sqrt(x[i]);
    return x;
  } else {
    return scalar_sqrt(x);
  }
#endif
}

template <class F>
METTLE_INLINE F rint(F x) {
#if __has_builtin(__builtin_elementwise_rint)
  return __builtin_elementwise_rint(x);
#else
  if constexpr (is_vector<F>) {
    for (int i = 0; i < shape<F>::count; i++) x[i] = scalar_rint(x[i]);
    return x;
  } else {
    return scalar_rint(x);
  }
#endif
}

template <class F>
METTLE_INLINE F floor(F x) {
  return __builtin_elementwise_floor(x);
}
template <class F>
METTLE_INLINE F ceil(F x) {
  return __builtin_elementwise_ceil(x);
}
template <class F>
METTLE_INLINE F trunc(F x) {
  return __builtin_elementwise_trunc(x);
}
template <class F>
METTLE_INLINE F fabs(F x) {
  return __builtin_elementwise_abs(x);
}
// One NaN operand gives the other operand. (clang's own builtins for these can become calls of fminf and fmaxf.)
template <class F>
METTLE_INLINE F fmin(F a, F b) {
#ifdef METTLE_PTX
  if constexpr (!is_vector<F>) return __builtin_fminf(a, b);
#endif
  const F lesser = a < b ? a : b;
  return b != b ? a : lesser;
}
template <class F>
METTLE_INLINE F fmax(F a, F b) {
#ifdef METTLE_PTX
  if constexpr (!is_vector<F>) return __builtin_fmaxf(a, b);
#endif
  const F greater = a > b ? a : b;
  return b != b ? a : greater;
}

// --- small compositions

template <class F>
METTLE_INLINE F copysign(F magnitude, F sign) {
  return bit_cast<F>((bits(magnitude) & 0x7fffffff) | (bits(sign) & int(0x80000000)));
}

// The polynomial with the given coefficients, constant term first (Horner's scheme).
template <class F, class C>
METTLE_INLINE F polynomial(F, C constant) {
  return F(constant);
}
template <class F, class C, class... More>
METTLE_INLINE F polynomial(F x, C constant, C linear, More... more) {
  return fma(polynomial(x, linear, more...), x, F(constant));
}

// The integer nearest x (ties to even), as F and in the two's complement of `bits`, for |x| < 2^22. NaN gives a NaN and
// any bits, where a conversion to integers would be undefined.
template <class F>
struct nearest_integer {
  F value;
  like<uint, F> bits;
};
template <class F>
METTLE_INLINE nearest_integer<F> nearest(F x) {
  constexpr float shift = 0x1.8p23f;
  const F shifted = x + shift;
  return {shifted - shift, bit_cast<like<uint, F>>(shifted) - __builtin_bit_cast(uint, shift)};
}

// 2^n for -126 <= n <= 127.
template <class F>
METTLE_INLINE F power_of_two(like<uint, F> n) {
  return bit_cast<F>((n + 127u) << 23);
}

// x * 2^n for |n| <= 252 and |x| near 1. A denormal result is rounded once more.
template <class F>
METTLE_INLINE F scale(F x, like<uint, F> n) {
  const like<uint, F> first = bit_cast<like<uint, F>>(bit_cast<like<int, F>>(n) >> 1);
  return x * power_of_two<F>(first) * power_of_two<F>(n - first);
}

// x limited to low..high; NaN stays NaN.
template <class F>
METTLE_INLINE F limit(F x, float low, float high) {
  x = x < low ? F(low) : x;
  return x > high ? F(high) : x;
}

}  // namespace mettle::math
