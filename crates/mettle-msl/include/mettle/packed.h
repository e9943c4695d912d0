// Packed vectors: arrays of 2, 3 or 4 components, aligned like one component. packed_float3 takes 12 bytes.
//
// They convert to and from the vector of the same components; operators and functions work on that vector.
#pragma once

#include "vec.h"

namespace mettle {

template <class T, int N>
struct packed_storage {
  T d[N];

  METTLE_INLINE constexpr T get(int i) const { return d[i]; }
  METTLE_INLINE constexpr void put(int i, T x) { d[i] = x; }

  template <int... I>
  METTLE_INLINE metal::vec<T, sizeof...(I)> pick() const {
    return metal::vec<T, sizeof...(I)>(d[I]...);
  }

  template <int... I>
  METTLE_INLINE void place(metal::vec<T, sizeof...(I)> from) {
    static_assert(distinct<I...>, "a swizzle that names a component twice cannot be assigned");
    int next = 0;
    ((d[I] = from.get(next++)), ...);
  }
};

// The packed form of the vector V. The operators of V apply: V is associated with this class through its argument.
template <class V>
struct packed;

template <class T, int N>
struct packed<metal::vec<T, N>> : swizzles<packed_storage<T, N>, T, N> {
  using vector = metal::vec<T, N>;
  using element_type = T;
  using value_type = T;

  packed() = default;

  METTLE_INLINE packed(vector v) {
    for (int i = 0; i < N; i++) this->d[i] = v.get(i);
  }
  template <class S, metal::enable_if_t<converts_to_component<S, T>, int> = 0>
  METTLE_INLINE packed(S x) : packed(vector(x)) {}
  template <class S, metal::enable_if_t<is_number<S> && !converts_to_component<S, T>, long> = 0>
  METTLE_INLINE explicit packed(S x) : packed(vector(x)) {}
  template <class A, class B, class... More, class = metal::enable_if_t<component_count<T, A, B, More...> == N>>
  METTLE_INLINE packed(METTLE_VALUE(A) a, METTLE_VALUE(B) b, METTLE_VALUE(More)... more)
      : packed(vector(a, b, more...)) {}
  template <class U, class = metal::enable_if_t<!metal::is_same_v<T, U>>>
  METTLE_INLINE explicit packed(const metal::vec<U, N>& other) : packed(vector(other)) {}

  METTLE_INLINE operator vector() const {
    vector v;
    for (int i = 0; i < N; i++) v.put(i, this->d[i]);
    return v;
  }
  // The vector of other components, when written out.
  template <class U, class = metal::enable_if_t<!metal::is_same_v<T, U>>>
  METTLE_INLINE explicit operator metal::vec<U, N>() const {
    return metal::vec<U, N>(vector(*this));
  }

  METTLE_INLINE constexpr T& operator[](int i) { return this->d[i]; }
  METTLE_INLINE constexpr const T& operator[](int i) const { return this->d[i]; }

  METTLE_INLINE packed& operator+=(vector b) { return *this = vector(*this) + b; }
  METTLE_INLINE packed& operator-=(vector b) { return *this = vector(*this) - b; }
  METTLE_INLINE packed& operator*=(vector b) { return *this = vector(*this) * b; }
  METTLE_INLINE packed& operator/=(vector b) { return *this = vector(*this) / b; }
};

}  // namespace mettle

namespace metal {
template <class T, int N>
using packed_vec = mettle::packed<vec<T, N>>;

template <class T>
inline constexpr bool is_packed_vector_v = false;
template <class V>
inline constexpr bool is_packed_vector_v<mettle::packed<V>> = true;
template <class T>
struct is_packed_vector : bool_constant<is_packed_vector_v<T>> {};

template <class V>
struct vec_elements<mettle::packed<V>> : vec_elements<V> {};
}
