// The functions of <metal_integer>, for every integer type and its vectors.
//
// Scalars are plain overloads for each type, so that a call that mixes types is ambiguous, as in Metal. Vectors take the
// scalar function component by component; clang turns the loop into vector instructions where there are any.
#pragma once

#include "arguments.h"

namespace mettle::integers_of {

template <class T>
inline constexpr int width = 8 * sizeof(T);

// --- comparisons

template <class T>
METTLE_INLINE T abs(T x) {
  return T(x < 0 ? -x : x);
}
template <class T>
METTLE_INLINE T min(T x, T y) {
  return y < x ? y : x;
}
template <class T>
METTLE_INLINE T max(T x, T y) {
  return x < y ? y : x;
}
template <class T>
METTLE_INLINE T min3(T x, T y, T z) {
  return min(min(x, y), z);
}
template <class T>
METTLE_INLINE T max3(T x, T y, T z) {
  return max(max(x, y), z);
}
template <class T>
METTLE_INLINE T median3(T x, T y, T z) {
  return max(min(x, y), min(max(x, y), z));
}
template <class T>
METTLE_INLINE T clamp(T x, T low, T high) {
  return min(max(x, low), high);
}
// |x - y| without overflow, as an unsigned number.
template <class T>
METTLE_INLINE metal::make_unsigned_t<T> absdiff(T x, T y) {
  using U = metal::make_unsigned_t<T>;
  return x < y ? U(U(y) - U(x)) : U(U(x) - U(y));
}

// --- arithmetic that does not wrap

template <class T>
METTLE_INLINE T addsat(T x, T y) {
  constexpr T lowest = metal::is_signed_v<T> ? T(bits_of<T>(1) << (width<T> - 1)) : T(0);
  T sum;
  if (!__builtin_add_overflow(x, y, &sum)) return sum;
  return metal::is_signed_v<T> && x < 0 ? lowest : T(~lowest);
}
template <class T>
METTLE_INLINE T subsat(T x, T y) {
  constexpr T lowest = metal::is_signed_v<T> ? T(bits_of<T>(1) << (width<T> - 1)) : T(0);
  T difference;
  if (!__builtin_sub_overflow(x, y, &difference)) return difference;
  return metal::is_unsigned_v<T> || x < 0 ? lowest : T(~lowest);
}
// (x + y) / 2 rounded down, and rounded up.
template <class T>
METTLE_INLINE T hadd(T x, T y) {
  return T((x & y) + ((x ^ y) >> 1));
}
template <class T>
METTLE_INLINE T rhadd(T x, T y) {
  return T((x | y) - ((x ^ y) >> 1));
}

// --- products

// The upper half of the product.
template <class T>
METTLE_INLINE T mulhi(T x, T y) {
  if constexpr (sizeof(T) == 8) {
    using Wide = metal::conditional_t<metal::is_signed_v<T>, __int128, unsigned __int128>;
    return T((Wide(x) * Wide(y)) >> 64);
  } else {
    using Wide = metal::conditional_t<metal::is_signed_v<T>, long, ulong>;
    return T((Wide(x) * Wide(y)) >> width<T>);
  }
}
template <class T>
METTLE_INLINE T madhi(T x, T y, T z) {
  return T(bits_of<T>(mulhi(x, y)) + bits_of<T>(z));
}
// x * y + z, limited to the range of T.
template <class T>
METTLE_INLINE T madsat(T x, T y, T z) {
  using Wide = metal::conditional_t<metal::is_signed_v<T>, __int128, unsigned __int128>;
  constexpr T lowest = metal::is_signed_v<T> ? T(bits_of<T>(1) << (width<T> - 1)) : T(0);
  constexpr T highest = T(~lowest);
  const Wide exact = Wide(x) * Wide(y) + Wide(z);
  return exact < Wide(lowest) ? lowest : exact > Wide(highest) ? highest : T(exact);
}
// Of the low 24 bits of x and y.
template <class T>
METTLE_INLINE T mul24(T x, T y) {
  constexpr int unused = width<T> - 24;
  using U = bits_of<T>;
  return T(U(T(U(x) << unused) >> unused) * U(T(U(y) << unused) >> unused));
}
template <class T>
METTLE_INLINE T mad24(T x, T y, T z) {
  return T(bits_of<T>(mul24(x, y)) + bits_of<T>(z));
}

// --- bits

template <class T>
METTLE_INLINE T clz(T x) {
  const ulong bits = bits_of<T>(x);
  return T(bits == 0 ? width<T> : __builtin_clzl(bits) - (64 - width<T>));
}
template <class T>
METTLE_INLINE T ctz(T x) {
  const ulong bits = bits_of<T>(x);
  return T(bits == 0 ? width<T> : __builtin_ctzl(bits));
}
template <class T>
METTLE_INLINE T popcount(T x) {
  return T(__builtin_popcountl(bits_of<T>(x)));
}
template <class T>
METTLE_INLINE T reverse_bits(T x) {
  if constexpr (sizeof(T) == 1) return T(__builtin_bitreverse8(bits_of<T>(x)));
  if constexpr (sizeof(T) == 2) return T(__builtin_bitreverse16(bits_of<T>(x)));
  if constexpr (sizeof(T) == 4) return T(__builtin_bitreverse32(bits_of<T>(x)));
  if constexpr (sizeof(T) == 8) return T(__builtin_bitreverse64(bits_of<T>(x)));
}
// Left by n modulo the width.
template <class T>
METTLE_INLINE T rotate(T x, T n) {
  using U = bits_of<T>;
  const int left = U(n) & (width<T> - 1);
  return T(U(U(x) << left) | U(U(x) >> ((width<T> - left) & (width<T> - 1))));
}
// `count` bits of x from bit `offset`, sign-extended for signed types; 0 for no bits. offset + count <= width.
template <class T>
METTLE_INLINE T extract_bits(T x, uint offset, uint count) {
  if (count == 0) return T(0);
  return T(T(bits_of<T>(x) << (width<T> - offset - count)) >> (width<T> - count));
}
// `base` with its `count` bits from bit `offset` replaced by the low bits of x.
template <class T>
METTLE_INLINE T insert_bits(T base, T x, uint offset, uint count) {
  using U = bits_of<T>;
  if (count == 0) return base;
  const U field = U(U(U(~U(0)) >> (width<T> - count)) << offset);
  return T((U(base) & U(~field)) | (U(U(x) << offset) & field));
}

}  // namespace mettle::integers_of

namespace metal {

#define METTLE_EACH_INTEGER(function)                                                     \
  function(char) function(uchar) function(short) function(ushort) function(int) function(uint) \
  function(long) function(ulong)

// For each integer type, functions of one, two and three operands of that type.
#define METTLE_INTEGER1(name)                                                             \
  METTLE_EACH_INTEGER(METTLE_INTEGER1_##name)                                             \
  template <class A, class V = mettle::integer_vector_of<A>>                              \
  METTLE_INLINE V name(A x) {                                                             \
    V v = x;                                                                              \
    for (int i = 0; i < V::count; i++) v.put(i, mettle::integers_of::name(v.get(i)));     \
    return v;                                                                             \
  }
