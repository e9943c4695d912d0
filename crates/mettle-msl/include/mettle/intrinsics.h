// The compiler intrinsics that Apple's own headers are written with. Some sources (MLX's) call them directly.
#pragma once

#include "math_modes.h"
#include "shuffle.h"

// The last argument says whether the fast form is allowed; ours is the precise one.
#define METTLE_INTRINSIC1(name)                                  \
  template <class A>                                             \
  METTLE_INLINE auto __metal_##name(A x, bool) {                 \
    return metal::name(x);                                       \
  }
#define METTLE_INTRINSIC2(name)                                  \
  template <class A, class B>                                    \
  METTLE_INLINE auto __metal_##name(A x, B y, bool) {            \
    return metal::name(x, y);                                    \
  }
#define METTLE_INTRINSIC3(name)                                  \
  template <class A, class B, class C>                           \
  METTLE_INLINE auto __metal_##name(A x, B y, C z, bool) {       \
    return metal::name(x, y, z);                                 \
  }

METTLE_INTRINSIC1(acos)
METTLE_INTRINSIC1(acosh)
METTLE_INTRINSIC1(asin)
METTLE_INTRINSIC1(asinh)
METTLE_INTRINSIC1(atan)
METTLE_INTRINSIC1(atanh)
METTLE_INTRINSIC1(ceil)
METTLE_INTRINSIC1(cos)
METTLE_INTRINSIC1(cosh)
METTLE_INTRINSIC1(cospi)
METTLE_INTRINSIC1(exp)
METTLE_INTRINSIC1(exp10)
METTLE_INTRINSIC1(exp2)
METTLE_INTRINSIC1(fabs)
METTLE_INTRINSIC1(floor)
METTLE_INTRINSIC1(fract)
METTLE_INTRINSIC1(log)
METTLE_INTRINSIC1(log10)
METTLE_INTRINSIC1(log2)
METTLE_INTRINSIC1(rint)
METTLE_INTRINSIC1(round)
METTLE_INTRINSIC1(rsqrt)
METTLE_INTRINSIC1(sin)
METTLE_INTRINSIC1(sinh)
METTLE_INTRINSIC1(sinpi)
METTLE_INTRINSIC1(sqrt)
METTLE_INTRINSIC1(tan)
METTLE_INTRINSIC1(tanh)
METTLE_INTRINSIC1(tanpi)
METTLE_INTRINSIC1(trunc)
METTLE_INTRINSIC2(atan2)
METTLE_INTRINSIC2(divide)
METTLE_INTRINSIC2(fmax)
METTLE_INTRINSIC2(fmin)
METTLE_INTRINSIC2(fmod)
METTLE_INTRINSIC2(pow)
METTLE_INTRINSIC2(powr)
METTLE_INTRINSIC3(fmax3)
METTLE_INTRINSIC3(fmedian3)
METTLE_INTRINSIC3(fmin3)

// Exact functions, with or without it.
template <class A>
METTLE_INLINE A __metal_fma(A x, A y, A z, bool = false) {
  return metal::fma(x, y, z);
}
template <class A, class N>
METTLE_INLINE A __metal_ldexp(A x, N n, bool = false) {
  return metal::ldexp(x, n);
}
template <class A, class N>
METTLE_INLINE A __metal_frexp(A x, N* n, bool = false) {
  return metal::frexp(x, *n);
}
template <class A>
METTLE_INLINE A __metal_nextafter(A x, A y, bool = false) {
  return metal::nextafter(x, y);
}

// Bitwise operations take any type by its bits.
#define METTLE_BITWISE_INTRINSIC(name)                                                          \
  template <class A>                                                                            \
  METTLE_INLINE A __metal_##name(A x, ulong site = mettle::call_site()) {                       \
    return __builtin_bit_cast(A, metal::name(__builtin_bit_cast(mettle::bits_of<A>, x), site)); \
  }
METTLE_BITWISE_INTRINSIC(simd_and)
METTLE_BITWISE_INTRINSIC(simd_or)
METTLE_BITWISE_INTRINSIC(simd_xor)
#undef METTLE_BITWISE_INTRINSIC

METTLE_INLINE ushort __metal_get_thread_index_in_simdgroup(ushort = 0) { return ushort(mettle::lane_index()); }
METTLE_INLINE ushort __metal_get_simdgroup_size(ushort = 0) { return mettle::simd_width; }

#define METTLE_SIMD_INTRINSIC(name)                                                             \
  template <class A>                                                                            \
  METTLE_INLINE auto __metal_##name(A x, ulong site = mettle::call_site()) {                    \
    return metal::name(x, site);                                                                \
  }
#define METTLE_SHUFFLE_INTRINSIC(name)                                                          \
  template <class A>                                                                            \
  METTLE_INLINE auto __metal_##name(A x, ushort by, ulong site = mettle::call_site()) {         \
    return metal::name(x, by, site);                                                            \
  }
#define METTLE_FILL_INTRINSIC(name)                                                             \
  template <class A>                                                                            \
  METTLE_INLINE auto __metal_##name(A x, A fill, ushort delta, ushort modulo,                   \
                                    ulong site = mettle::call_site()) {                         \
    return metal::name(x, fill, delta, modulo, site);                                           \
  }

METTLE_SIMD_INTRINSIC(simd_max)
METTLE_SIMD_INTRINSIC(simd_min)
METTLE_SIMD_INTRINSIC(simd_sum)
METTLE_SIMD_INTRINSIC(simd_product)
METTLE_SIMD_INTRINSIC(simd_prefix_exclusive_product)
METTLE_SIMD_INTRINSIC(simd_prefix_exclusive_sum)
METTLE_SIMD_INTRINSIC(simd_prefix_inclusive_product)
METTLE_SIMD_INTRINSIC(simd_prefix_inclusive_sum)
METTLE_SHUFFLE_INTRINSIC(simd_broadcast)
METTLE_SHUFFLE_INTRINSIC(simd_shuffle)
METTLE_SHUFFLE_INTRINSIC(simd_shuffle_down)
METTLE_SHUFFLE_INTRINSIC(simd_shuffle_rotate_down)
METTLE_SHUFFLE_INTRINSIC(simd_shuffle_rotate_up)
METTLE_SHUFFLE_INTRINSIC(simd_shuffle_up)
METTLE_SHUFFLE_INTRINSIC(simd_shuffle_xor)
METTLE_FILL_INTRINSIC(simd_shuffle_and_fill_down)
METTLE_FILL_INTRINSIC(simd_shuffle_and_fill_up)

#undef METTLE_INTRINSIC1
#undef METTLE_INTRINSIC2
#undef METTLE_INTRINSIC3
#undef METTLE_SIMD_INTRINSIC
#undef METTLE_SHUFFLE_INTRINSIC
#undef METTLE_FILL_INTRINSIC
