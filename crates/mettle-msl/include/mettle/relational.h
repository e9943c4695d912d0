// The functions of <metal_relational>: classification of floats, all, any, select. And as_type.
#pragma once

#include "math_parts.h"

namespace mettle {

// Bool for a scalar, a vector of bool for a vector, from the result of a native comparison.
template <class T, class Mask>
METTLE_INLINE with_components<bool, T> to_bools(Mask mask) {
  if constexpr (metal::is_arithmetic_v<T>) {
    return mask;
  } else {
    return bools<T::count>(mask);
  }
}

namespace math {

template <class F>
METTLE_INLINE auto isnan(F x) {
  return x != x;
}
template <class F>
METTLE_INLINE auto isinf(F x) {
  return fabs(x) == infinity;
}
template <class F>
METTLE_INLINE auto isfinite(F x) {
  return fabs(x) < infinity;
}
template <class F>
METTLE_INLINE auto signbit(F x) {
  return bits(x) < 0;
}
template <class F>
METTLE_INLINE auto isordered(F x, F y) {
  return both(x == x, y == y);
}
template <class F>
METTLE_INLINE auto isunordered(F x, F y) {
  return either(x != x, y != y);
}

}  // namespace math
}  // namespace mettle

namespace metal {

#define METTLE_CLASSIFY1(name)                                                                  \
  template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>           \
  METTLE_INLINE mettle::with_components<bool, T> name(A x) {                                    \
    return mettle::to_bools<T>(mettle::math::name(mettle::to_floats<T>(x)));                    \
  }
#define METTLE_CLASSIFY2(name)                                                                  \
  template <class A, class T = mettle::value_of_t<A>, class = mettle::if_floating<T>>           \
  METTLE_INLINE mettle::with_components<bool, T> name(A x, mettle::identity_t<T> y) {           \
    const auto from = mettle::to_floats<T>(x);                                                  \
    return mettle::to_bools<T>(mettle::math::name(from, mettle::to_floats<T>(y)));              \
  }
METTLE_CLASSIFY1(isnan)
METTLE_CLASSIFY1(isinf)
METTLE_CLASSIFY1(isfinite)
METTLE_CLASSIFY1(signbit)
METTLE_CLASSIFY2(isordered)
METTLE_CLASSIFY2(isunordered)
#undef METTLE_CLASSIFY1
#undef METTLE_CLASSIFY2

// Neither zero, denormal, infinite nor NaN in the type's own range.
template <class T, enable_if_t<is_floating_point_v<T>, int> = 0>
METTLE_INLINE bool isnormal(T x) {
  constexpr float smallest = is_same_v<T, half> ? 0x1p-14f : 0x1p-126f;
  const float a = mettle::math::fabs(float(x));
  return a >= smallest && a < mettle::math::infinity;
}
template <class T, int N, enable_if_t<is_floating_point_v<T>, int> = 0>
METTLE_INLINE vec<bool, N> isnormal(vec<T, N> x) {
  vec<bool, N> r;
  for (int i = 0; i < N; i++) r.put(i, isnormal(x.get(i)));
  return r;
}

METTLE_INLINE constexpr bool all(bool x) { return x; }
METTLE_INLINE constexpr bool any(bool x) { return x; }
template <int N>
METTLE_INLINE bool all(vec<bool, N> x) {
  bool r = true;
  for (int i = 0; i < N; i++) r &= x.get(i);
  return r;
}
template <int N>
METTLE_INLINE bool any(vec<bool, N> x) {
  bool r = false;
  for (int i = 0; i < N; i++) r |= x.get(i);
  return r;
}

// y where `use_y` is true, else x.
template <class T, enable_if_t<mettle::is_number<T>, int> = 0>
METTLE_INLINE constexpr T select(T x, T y, bool use_y) {
  return use_y ? y : x;
}
template <class T, int N>
METTLE_INLINE vec<T, N> select(vec<T, N> x, mettle::identity_t<vec<T, N>> y, vec<bool, N> use_y) {
  using Stored = typename vec<T, N>::stored;
  using Mask = mettle::native<typename mettle::integers<sizeof(T)>::signed_type, N>;
  const Mask mask = __builtin_convertvector(use_y.v, Mask) != 0;
  return vec<T, N>::from_stored(mask ? Stored(y.v) : Stored(x.v));
}
template <class T, int N>
METTLE_INLINE vec<T, N> select(vec<T, N> x, mettle::identity_t<vec<T, N>> y, bool use_y) {
  return use_y ? y : x;
}

}  // namespace metal

// The bits of `from` as a value of another type of the same size.
template <class To, class From>
METTLE_INLINE constexpr To as_type(From from) {
  static_assert(sizeof(To) == sizeof(From), "as_type needs types of the same size");
  static_assert(__is_trivially_copyable(To) && __is_trivially_copyable(From) && !__is_pointer(To) && !__is_pointer(From),
                "as_type needs scalars or vectors");
  return __builtin_bit_cast(To, from);
}
