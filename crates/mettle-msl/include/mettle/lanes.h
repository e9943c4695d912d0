// How the components of a vector are stored, and in what type they are computed with.
//
// A vector is stored as one of clang's native vectors, so that an operation on it is one instruction. Two component
// types have no native vector of their own: bool is stored as bytes 0 and 1, bfloat as its bits and computed in float.
#pragma once

#include "bfloat.h"

namespace mettle {

template <class T, int N>
struct native_vector {
  typedef T type __attribute__((ext_vector_type(N)));
};
template <class T, int N>
using native = typename native_vector<T, N>::type;

template <class T>
struct component {
  using stored = T;
  using computed = T;

  METTLE_INLINE static constexpr T store(T x) { return x; }
  METTLE_INLINE static constexpr T load(T x) { return x; }

  template <int N>
  METTLE_INLINE static constexpr native<T, N> widen(native<T, N> x) {
    return x;
  }
  template <int N>
  METTLE_INLINE static constexpr native<T, N> narrow(native<T, N> x) {
    return x;
  }
};

template <>
struct component<bool> {
  using stored = uchar;
  using computed = uchar;

  METTLE_INLINE static constexpr uchar store(bool x) { return x; }
  METTLE_INLINE static constexpr bool load(uchar x) { return x != 0; }

  template <int N>
  METTLE_INLINE static constexpr native<uchar, N> widen(native<uchar, N> x) {
    return x;
  }
  template <int N>
  METTLE_INLINE static constexpr native<uchar, N> narrow(native<uchar, N> x) {
    return x & uchar(1);
  }
};

template <>
struct component<bfloat> {
  using stored = ushort;
  using computed = float;

  METTLE_INLINE static constexpr ushort store(bfloat x) { return x.bits; }
  METTLE_INLINE static constexpr bfloat load(ushort x) { return bfloat::from_bits(x); }

  template <int N>
  METTLE_INLINE static native<float, N> widen(native<ushort, N> x) {
    return native<float, N>(__builtin_convertvector(x, native<uint, N>) << 16);
  }
  template <int N>
  METTLE_INLINE static native<ushort, N> narrow(native<float, N> x) {
    return __builtin_convertvector(round_to_bfloat(native<uint, N>(x)), native<ushort, N>);
  }
};

template <class T, int N>
using stored_vector = native<typename component<T>::stored, N>;
template <class T, int N>
using computed_vector = native<typename component<T>::computed, N>;

// Stored components as type `To` from stored components of type `From`.
template <class To, class From, int N>
METTLE_INLINE stored_vector<To, N> convert_stored(stored_vector<From, N> x) {
  const computed_vector<From, N> wide = component<From>::template widen<N>(x);
  if constexpr (metal::is_same_v<To, bool>) {
    return __builtin_convertvector(wide != 0, native<uchar, N>) & uchar(1);
  } else {
    return component<To>::template narrow<N>(__builtin_convertvector(wide, computed_vector<To, N>));
  }
}

}  // namespace mettle
