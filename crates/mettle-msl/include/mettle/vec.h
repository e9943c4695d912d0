// vec<T, N>: MSL's vectors of 2, 3 and 4 components, and those of 8 and 16 of <metal_extended_vector>. A vec<T, 3> is as
// large and as aligned as a vec<T, 4>.
//
// Conversions follow Metal: a scalar converts implicitly to a vector of equal components, a vector converts to one of
// another component type only when written out, and never to a vector of another size.
#pragma once

#include "swizzle.h"
#include "vec_operators.h"

namespace mettle {

template <class T, int N>
struct vector_storage {
  stored_vector<T, N> v;

  METTLE_INLINE constexpr T get(int i) const { return component<T>::load(v[i]); }
  METTLE_INLINE constexpr void put(int i, T x) { v[i] = component<T>::store(x); }

  template <int... I>
  METTLE_INLINE metal::vec<T, sizeof...(I)> pick() const {
    return metal::vec<T, sizeof...(I)>::from_stored(__builtin_shufflevector(v, v, I...));
  }

  template <int... I>
  METTLE_INLINE void place(metal::vec<T, sizeof...(I)> from) {
    static_assert(distinct<I...>, "a swizzle that names a component twice cannot be assigned");
    int next = 0;
    ((v[I] = from.v[next++]), ...);
  }
};

}  // namespace mettle

namespace metal {

template <class T, int N>
struct vec : mettle::swizzles<mettle::vector_storage<T, N>, T, N>,
             mettle::vector_operators<vec<T, N>, T, N, is_integral_v<T>> {
  static_assert(is_arithmetic_v<T> && sizeof(T) <= 8, "vectors have arithmetic components");
  static_assert(N == 2 || N == 3 || N == 4 || N == 8 || N == 16, "vectors have 2, 3, 4, 8 or 16 components");

  using element_type = T;
  using value_type = T;
  using stored = mettle::stored_vector<T, N>;
  using computed = mettle::computed_vector<T, N>;
  static constexpr int count = N;

  vec() = default;

  // Equal components. A scalar that does not convert to T implicitly, or a floating-point one among integers, must be
  // written out.
  template <class S, enable_if_t<mettle::converts_to_component<S, T>, int> = 0>
  METTLE_INLINE constexpr vec(S x) : vec(from_stored(stored(mettle::component<T>::store(T(x))))) {}
  template <class S, enable_if_t<mettle::is_number<S> && !mettle::converts_to_component<S, T>, long> = 0>
  METTLE_INLINE explicit constexpr vec(S x) : vec(from_stored(stored(mettle::component<T>::store(T(x))))) {}

  // Scalars and vectors of T that have N components together.
  template <class A, class B, class... More,
            class = enable_if_t<mettle::component_count<T, A, B, More...> == N>>
  METTLE_INLINE constexpr vec(METTLE_VALUE(A) a, METTLE_VALUE(B) b, METTLE_VALUE(More)... more)
      : vec(mettle::gather<vec, T, N>(a, b, more...)) {}

  // A braced list of scalars, which may be short: the rest is 0.
  METTLE_INLINE constexpr vec(initializer_list<mettle::scalar_of<T>> list)
      : vec(mettle::gather_list<vec, T, N>(list)) {}

  template <class U, class = enable_if_t<!is_same_v<T, U>>>
  METTLE_INLINE explicit vec(const vec<U, N>& other)
      : vec(from_stored(mettle::convert_stored<T, U, N>(other.v))) {}

  METTLE_INLINE T& operator[](int i) { return reinterpret_cast<T*>(&this->v)[i]; }
  METTLE_INLINE constexpr T operator[](int i) const { return this->get(i); }

  METTLE_INLINE static constexpr vec from_stored(stored v) {
    vec r{};
    r.v = v;
    return r;
  }
  // From and to the native vector that arithmetic uses.
  METTLE_INLINE static constexpr vec from_native(computed v) {
    return from_stored(mettle::component<T>::template narrow<N>(v));
  }
  METTLE_INLINE constexpr computed to_native() const { return mettle::component<T>::template widen<N>(this->v); }
};

template <class T>
inline constexpr bool is_vector_v = false;
template <class T, int N>
inline constexpr bool is_vector_v<vec<T, N>> = true;
template <class T>
struct is_vector : bool_constant<is_vector_v<T>> {};

// How many components a vector has; 0 for anything else.
template <class T>
struct vec_elements : integral_constant<int, 0> {};
template <class T, int N>
struct vec_elements<vec<T, N>> : integral_constant<int, N> {};

}  // namespace metal
