// The functions of <metal_integer>, for every integer type and its vectors.
//
// Scalars are plain overloads for each type, so that a call that mixes types is ambiguous, as in Metal. Vectors take
// the scalar function component by component; clang turns that into vector instructions where there are any.
#pragma once

#include "arguments.h"

namespace mettle::integers_of {

template <class T>
inline constexpr int width = 8 * sizeof(T);

// --- comparisons

template <class T>
METTLE_INLINE constexpr T abs(T x) {
  return T(x < 0 ? -x : x);
}
template <class T>
METTLE_INLINE constexpr T min(T x, T y) {
  return y < x ? y : x;
}
template <class T>
METTLE_INLINE constexpr T max(T x, T y) {
  return x < y ? y : x;
}
template <class T>
METTLE_INLINE constexpr T min3(T x, T y, T z) {
  return min(min(x, y), z);
}
template <class T>
METTLE_INLINE constexpr T max3(T x, T y, T z) {
  return max(max(x, y), z);
}
template <class T>
METTLE_INLINE constexpr T median3(T x, T y, T z) {
  return max(min(x, y), min(max(x, y), z));
}
template <class T>
METTLE_INLINE constexpr T clamp(T x, T low, T high) {
  return min(max(x, low), high);
}
// |x - y| without overflow, as an unsigned number.
template <class T>
METTLE_INLINE constexpr metal::make_unsigned_t<T> absdiff(T x, T y) {
  using U = metal::make_unsigned_t<T>;
  return x < y ? U(U(y) - U(x)) : U(U(x) - U(y));
}

// --- arithmetic that does not wrap

template <class T>
METTLE_INLINE constexpr T addsat(T x, T y) {
  constexpr T lowest = metal::is_signed_v<T> ? T(bits_of<T>(1) << (width<T> - 1)) : T(0);
  T sum = 0;
  if (!__builtin_add_overflow(x, y, &sum)) return sum;
  return metal::is_signed_v<T> && x < 0 ? lowest : T(~lowest);
}
template <class T>
METTLE_INLINE constexpr T subsat(T x, T y) {
  constexpr T lowest = metal::is_signed_v<T> ? T(bits_of<T>(1) << (width<T> - 1)) : T(0);
  T difference = 0;
  if (!__builtin_sub_overflow(x, y, &difference)) return difference;
  return metal::is_unsigned_v<T> || x < 0 ? lowest : T(~lowest);
}
// (x + y) / 2 rounded down, and rounded up.
template <class T>
METTLE_INLINE constexpr T hadd(T x, T y) {
  return T((x & y) + ((x ^ y) >> 1));
}
template <class T>
METTLE_INLINE constexpr T rhadd(T x, T y) {
  return T((x | y) - ((x ^ y) >> 1));
}

// --- products

// The upper half of the product.
template <class T>
METTLE_INLINE constexpr T mulhi(T x, T y) {
  if constexpr (sizeof(T) == 8) {
    using Wide = metal::conditional_t<metal::is_signed_v<T>, __int128, unsigned __int128>;
    return T((Wide(x) * Wide(y)) >> 64);
  } else {
    using Wide = metal::conditional_t<metal::is_signed_v<T>, long, ulong>;
    return T((Wide(x) * Wide(y)) >> width<T>);
  }
}
template <class T>
METTLE_INLINE constexpr T madhi(T x, T y, T z) {
  return T(bits_of<T>(mulhi(x, y)) + bits_of<T>(z));
}
// x * y + z, limited to the range of T.
template <class T>
METTLE_INLINE constexpr T madsat(T x, T y, T z) {
  using Wide = metal::conditional_t<metal::is_signed_v<T>, __int128, unsigned __int128>;
  constexpr T lowest = metal::is_signed_v<T> ? T(bits_of<T>(1) << (width<T> - 1)) : T(0);
  constexpr T highest = T(~lowest);
  const Wide exact = Wide(x) * Wide(y) + Wide(z);
  return exact < Wide(lowest) ? lowest : exact > Wide(highest) ? highest : T(exact);
}
// Of the low 24 bits of x and y.
template <class T>
METTLE_INLINE constexpr T mul24(T x, T y) {
  constexpr int unused = width<T> - 24;
  using U = bits_of<T>;
  return T(U(T(U(x) << unused) >> unused) * U(T(U(y) << unused) >> unused));
}

// --- bits

template <class T>
METTLE_INLINE constexpr T clz(T x) {
  const ulong bits = bits_of<T>(x);
  return T(bits == 0 ? width<T> : __builtin_clzl(bits) - (64 - width<T>));
}
template <class T>
METTLE_INLINE constexpr T ctz(T x) {
  const ulong bits = bits_of<T>(x);
  return T(bits == 0 ? width<T> : __builtin_ctzl(bits));
}
template <class T>
METTLE_INLINE constexpr T popcount(T x) {
  return T(__builtin_popcountl(bits_of<T>(x)));
}
template <class T>
METTLE_INLINE constexpr T reverse_bits(T x) {
  if constexpr (sizeof(T) == 1) return T(__builtin_bitreverse8(bits_of<T>(x)));
  if constexpr (sizeof(T) == 2) return T(__builtin_bitreverse16(bits_of<T>(x)));
  if constexpr (sizeof(T) == 4) return T(__builtin_bitreverse32(bits_of<T>(x)));
  if constexpr (sizeof(T) == 8) return T(__builtin_bitreverse64(bits_of<T>(x)));
}
// Left by n modulo the width.
template <class T>
METTLE_INLINE constexpr T rotate(T x, T n) {
  using U = bits_of<T>;
  const int left = U(n) & (width<T> - 1);
  return T(U(U(x) << left) | U(U(x) >> ((width<T> - left) & (width<T> - 1))));
}
// `count` bits of x from bit `offset`, sign-extended for signed types; 0 for no bits. offset + count <= width.
template <class T>
METTLE_INLINE constexpr T extract_bits(T x, uint offset, uint count) {
  if (count == 0) return T(0);
  return T(T(bits_of<T>(x) << (width<T> - offset - count)) >> (width<T> - count));
}
// `base` with its `count` bits from bit `offset` replaced by the low bits of x.
template <class T>
METTLE_INLINE constexpr T insert_bits(T base, T x, uint offset, uint count) {
  using U = bits_of<T>;
  if (count == 0) return base;
  const U field = U(U(U(~U(0)) >> (width<T> - count)) << offset);
  return T((U(base) & U(~field)) | (U(U(x) << offset) & field));
}

}  // namespace mettle::integers_of

// Overloads of a function for each integer type, and for vectors component by component.
#define METTLE_INTEGER_TYPES(f, name) \
  f(name, char) f(name, uchar) f(name, short) f(name, ushort) f(name, int) f(name, uint) f(name, long) f(name, ulong)

#define METTLE_SCALAR1(name, T) \
  METTLE_INLINE constexpr T name(T x) { return mettle::integers_of::name(x); }
#define METTLE_SCALAR2(name, T) \
  METTLE_INLINE constexpr T name(T x, T y) { return mettle::integers_of::name(x, y); }
#define METTLE_SCALAR3(name, T) \
  METTLE_INLINE constexpr T name(T x, T y, T z) { return mettle::integers_of::name(x, y, z); }

#define METTLE_INTEGER_FUNCTION1(name)                                                \
  METTLE_INTEGER_TYPES(METTLE_SCALAR1, name)                                          \
  template <class A>                                                                  \
  METTLE_INLINE mettle::integer_vector_of<A> name(A x) {                              \
    using V = mettle::integer_vector_of<A>;                                           \
    V v = x;                                                                          \
    for (int i = 0; i < V::count; i++) v.put(i, mettle::integers_of::name(v.get(i))); \
    return v;                                                                         \
  }
#define METTLE_INTEGER_FUNCTION2(name)                                                          \
  METTLE_INTEGER_TYPES(METTLE_SCALAR2, name)                                                    \
  template <class A, class B>                                                                   \
  METTLE_INLINE mettle::integer_vector_of<A, B> name(A x, B y) {                                \
    using V = mettle::integer_vector_of<A, B>;                                                  \
    V v = x;                                                                                    \
    const V w = y;                                                                              \
    for (int i = 0; i < V::count; i++) v.put(i, mettle::integers_of::name(v.get(i), w.get(i))); \
    return v;                                                                                   \
  }
#define METTLE_INTEGER_FUNCTION3(name)                                   \
  METTLE_INTEGER_TYPES(METTLE_SCALAR3, name)                             \
  template <class A, class B, class C>                                   \
  METTLE_INLINE mettle::integer_vector_of<A, B, C> name(A x, B y, C z) { \
    using V = mettle::integer_vector_of<A, B, C>;                        \
    V v = x;                                                             \
    const V w = y, u = z;                                                \
    for (int i = 0; i < V::count; i++)                                   \
      v.put(i, mettle::integers_of::name(v.get(i), w.get(i), u.get(i))); \
    return v;                                                            \
  }

namespace metal {

METTLE_INTEGER_FUNCTION1(abs)
METTLE_INTEGER_FUNCTION2(min)
METTLE_INTEGER_FUNCTION2(max)
METTLE_INTEGER_FUNCTION3(min3)
METTLE_INTEGER_FUNCTION3(max3)
METTLE_INTEGER_FUNCTION3(median3)
METTLE_INTEGER_FUNCTION3(clamp)

METTLE_INTEGER_FUNCTION2(addsat)
METTLE_INTEGER_FUNCTION2(subsat)
METTLE_INTEGER_FUNCTION2(hadd)
METTLE_INTEGER_FUNCTION2(rhadd)

METTLE_INTEGER_FUNCTION2(mulhi)
METTLE_INTEGER_FUNCTION3(madhi)
METTLE_INTEGER_FUNCTION3(madsat)

METTLE_INTEGER_FUNCTION1(clz)
METTLE_INTEGER_FUNCTION1(ctz)
METTLE_INTEGER_FUNCTION1(popcount)
METTLE_INTEGER_FUNCTION1(reverse_bits)
METTLE_INTEGER_FUNCTION2(rotate)

// Results of another type than the operands.

template <class T, enable_if_t<is_integral_v<T>, int> = 0>
METTLE_INLINE constexpr make_unsigned_t<T> absdiff(T x, T y) {
  return mettle::integers_of::absdiff(x, y);
}
template <class T, int N>
METTLE_INLINE vec<make_unsigned_t<T>, N> absdiff(vec<T, N> x, mettle::identity_t<vec<T, N>> y) {
  vec<make_unsigned_t<T>, N> v;
  for (int i = 0; i < N; i++) v.put(i, mettle::integers_of::absdiff(x.get(i), y.get(i)));
  return v;
}

// 24-bit products exist for int and uint.

#define METTLE_24_BITS(T)                                                                   \
  METTLE_INLINE constexpr T mul24(T x, T y) { return mettle::integers_of::mul24(x, y); }    \
  METTLE_INLINE constexpr T mad24(T x, T y, T z) { return T(uint(mul24(x, y)) + uint(z)); } \
  template <int N>                                                                          \
  METTLE_INLINE vec<T, N> mul24(vec<T, N> x, vec<T, N> y) {                                 \
    for (int i = 0; i < N; i++) x.put(i, mul24(x.get(i), y.get(i)));                        \
    return x;                                                                               \
  }                                                                                         \
  template <int N>                                                                          \
  METTLE_INLINE vec<T, N> mad24(vec<T, N> x, vec<T, N> y, vec<T, N> z) {                    \
    return mul24(x, y) + z;                                                                 \
  }
METTLE_24_BITS(int)
METTLE_24_BITS(uint)
#undef METTLE_24_BITS

// Fields of bits.

template <class T, enable_if_t<is_integral_v<T>, int> = 0>
METTLE_INLINE constexpr T extract_bits(T x, uint offset, uint count) {
  return mettle::integers_of::extract_bits(x, offset, count);
}
template <class T, int N>
METTLE_INLINE vec<T, N> extract_bits(vec<T, N> x, uint offset, uint count) {
  for (int i = 0; i < N; i++) x.put(i, mettle::integers_of::extract_bits(x.get(i), offset, count));
  return x;
}
template <class T, enable_if_t<is_integral_v<T>, int> = 0>
METTLE_INLINE constexpr T insert_bits(T base, mettle::identity_t<T> x, uint offset, uint count) {
  return mettle::integers_of::insert_bits(base, x, offset, count);
}
template <class T, int N>
METTLE_INLINE vec<T, N> insert_bits(vec<T, N> base, mettle::identity_t<vec<T, N>> x, uint offset, uint count) {
  for (int i = 0; i < N; i++)
    base.put(i, mettle::integers_of::insert_bits(base.get(i), x.get(i), offset, count));
  return base;
}

}  // namespace metal

#undef METTLE_SCALAR1
#undef METTLE_SCALAR2
#undef METTLE_SCALAR3
#undef METTLE_INTEGER_TYPES
#undef METTLE_INTEGER_FUNCTION1
#undef METTLE_INTEGER_FUNCTION2
#undef METTLE_INTEGER_FUNCTION3
