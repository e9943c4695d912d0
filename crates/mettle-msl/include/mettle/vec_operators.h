// The operators of vec<T, N>, component by component, and the assembly of a vector from parts.
//
// They are friends found through the vector's class, so that a scalar or a packed vector on one side converts to the
// vector's type, and two vectors of different types, which Metal refuses to mix, find no operator.
#pragma once

#include "initializer_list.h"
#include "lanes.h"

namespace metal {
template <class T, int N>
struct vec;
}

namespace mettle {

template <class V>
struct packed;

template <class S, class T>
inline constexpr bool converts_to_component =
    is_number<S> && metal::is_convertible_v<S, T> && (metal::is_floating_point_v<T> || !metal::is_floating_point_v<S>);

// --- assembly

// How many components an argument contributes to a vector of T; a vector of other components has no place in it.
template <class T, class A>
inline constexpr int components_in = is_number<A> ? 1 : -1000;
template <class T, int N>
inline constexpr int components_in<T, metal::vec<T, N>> = N;
template <class T, int N>
inline constexpr int components_in<T, packed<metal::vec<T, N>>> = N;

template <class T, class... A>
inline constexpr int component_count = (components_in<T, A> + ...);

template <class T, class A>
METTLE_INLINE constexpr void append(T* out, int& count, METTLE_VALUE(A) a) {
  if constexpr (components_in<T, A> == 1) {
    out[count++] = T(a);
  } else {
    for (int i = 0; i < components_in<T, A>; i++) out[count++] = a.get(i);
  }
}

template <int... I>
struct indices {};
template <int N, int... I>
struct indices_up_to : indices_up_to<N - 1, N - 1, I...> {};
template <int... I>
struct indices_up_to<0, I...> {
  using type = indices<I...>;
};

// The vector of the given components. (Written out, because clang evaluates no assignment to a component beforehand.)
template <class V, class T, int N, int... I>
METTLE_INLINE constexpr V assemble(const T (&x)[N], indices<I...>) {
  return V::from_stored(stored_vector<T, N>{component<T>::store(x[I])...});
}

// The vector whose components are those of the arguments, in order.
template <class V, class T, int N, class... A>
METTLE_INLINE constexpr V gather(METTLE_VALUE(A)... a) {
  T all[N] = {};
  int count = 0;
  (append(all, count, a), ...);
  return assemble<V>(all, typename indices_up_to<N>::type());
}

// A scalar in a braced list, as T.
template <class T>
struct scalar_of {
  T value;
  template <class S, class = metal::enable_if_t<is_number<S>>>
  METTLE_INLINE constexpr scalar_of(S x) : value(T(x)) {}
};

template <class V, class T, int N>
METTLE_INLINE constexpr V gather_list(std::initializer_list<scalar_of<T>> list) {
  T all[N] = {};
  int count = 0;
  for (const scalar_of<T>& x : list) {
    if (count < N) all[count++] = x.value;
  }
  return assemble<V>(all, typename indices_up_to<N>::type());
}

// --- operators

// A vector of bool from the result of a native comparison, whose components are 0 and -1.
template <int N, class Mask>
METTLE_INLINE metal::vec<bool, N> bools(Mask mask) {
  return metal::vec<bool, N>::from_stored(__builtin_convertvector(mask, native<uchar, N>) & uchar(1));
}

#define METTLE_ARITHMETIC(op)                                                                          \
  METTLE_INLINE friend constexpr V operator op(V a, V b) {                                             \
    return V::from_native(a.to_native() op b.to_native());                                             \
  }                                                                                                    \
  METTLE_INLINE friend constexpr V& operator op##=(V & a, V b) { return a = a op b; }

#define METTLE_COMPARISON(op)                                                                          \
  METTLE_INLINE friend metal::vec<bool, N> operator op(V a, V b) {                                     \
    return bools<N>(a.to_native() op b.to_native());                                                   \
  }

// Operators every vector has.
template <class V, class T, int N, bool Integral>
struct vector_operators {
  METTLE_ARITHMETIC(+)
  METTLE_ARITHMETIC(-)
  METTLE_ARITHMETIC(*)
  METTLE_ARITHMETIC(/)

  METTLE_INLINE friend constexpr V operator+(V a) { return a; }
  METTLE_INLINE friend constexpr V operator-(V a) { return V::from_native(-a.to_native()); }

  METTLE_INLINE friend constexpr V& operator++(V& a) { return a = a + T(1); }
  METTLE_INLINE friend constexpr V& operator--(V& a) { return a = a - T(1); }
  METTLE_INLINE friend constexpr V operator++(V& a, int) {
    const V before = a;
    ++a;
    return before;
  }
  METTLE_INLINE friend constexpr V operator--(V& a, int) {
    const V before = a;
    --a;
    return before;
  }

  METTLE_COMPARISON(==)
  METTLE_COMPARISON(!=)
  METTLE_COMPARISON(<)
  METTLE_COMPARISON(>)
  METTLE_COMPARISON(<=)
  METTLE_COMPARISON(>=)

  METTLE_INLINE friend metal::vec<bool, N> operator!(V a) { return bools<N>(a.to_native() == 0); }
  METTLE_INLINE friend metal::vec<bool, N> operator&&(V a, V b) {
    return bools<N>((a.to_native() != 0) & (b.to_native() != 0));
  }
  METTLE_INLINE friend metal::vec<bool, N> operator||(V a, V b) {
    return bools<N>((a.to_native() != 0) | (b.to_native() != 0));
  }
};

// Operators of vectors of integers and bools.
template <class V, class T, int N>
struct vector_operators<V, T, N, true> : vector_operators<V, T, N, false> {
  METTLE_ARITHMETIC(%)
  METTLE_ARITHMETIC(&)
  METTLE_ARITHMETIC(|)
  METTLE_ARITHMETIC(^)

  METTLE_INLINE friend constexpr V operator~(V a) { return V::from_native(~a.to_native()); }

  // A shift uses the low bits of the amount: three for 8-bit components, up to six for 64-bit ones.
  METTLE_INLINE friend constexpr V operator<<(V a, V amount) {
    return V::from_native(a.to_native() << (amount.to_native() & T(8 * sizeof(T) - 1)));
  }
  METTLE_INLINE friend constexpr V operator>>(V a, V amount) {
    return V::from_native(a.to_native() >> (amount.to_native() & T(8 * sizeof(T) - 1)));
  }
  template <class U, class = metal::enable_if_t<!metal::is_same_v<U, T> && metal::is_integral_v<U>>>
  METTLE_INLINE friend V operator<<(V a, metal::vec<U, N> amount) {
    return a << V(amount);
  }
  template <class U, class = metal::enable_if_t<!metal::is_same_v<U, T> && metal::is_integral_v<U>>>
  METTLE_INLINE friend V operator>>(V a, metal::vec<U, N> amount) {
    return a >> V(amount);
  }
  METTLE_INLINE friend constexpr V& operator<<=(V& a, V amount) { return a = a << amount; }
  METTLE_INLINE friend constexpr V& operator>>=(V& a, V amount) { return a = a >> amount; }
};

#undef METTLE_ARITHMETIC
#undef METTLE_COMPARISON

}  // namespace mettle
