// What the arguments of a call make together, for functions that work component by component.
//
// Scalars are served by plain overloads, one for each type, so that a call that mixes them, such as min(1, x) of a half
// x, is ambiguous, as it is in Metal. Vectors are served by templates over the arguments' types, constrained here: they
// must agree on one vector type, to which scalars and packed vectors among them convert.
#pragma once

#include "math/real.h"
#include "packed.h"

namespace mettle {

// The vector that an argument is, or void.
template <class A>
struct vector_argument {
  using type = void;
};
template <class T, int N>
struct vector_argument<metal::vec<T, N>> {
  using type = metal::vec<T, N>;
};
template <class V>
struct vector_argument<packed<V>> {
  using type = V;
};

// What a function takes an argument as: a packed vector as its vector, a bfloat as float, anything else as itself.
template <class A>
struct value_of {
  using type = A;
};
template <class V>
struct value_of<packed<V>> {
  using type = V;
};
template <>
struct value_of<bfloat> {
  using type = float;
};
template <class A>
using value_of_t = typename value_of<A>::type;

template <class A, class... More>
struct first_vector : metal::conditional_t<metal::is_same_v<typename vector_argument<A>::type, void>,
                                           first_vector<More...>, vector_argument<A>> {};
template <class A>
struct first_vector<A> : vector_argument<A> {};

template <class V, class A>
inline constexpr bool fits = metal::is_same_v<typename vector_argument<A>::type, V> ||
                             (is_number<A> && metal::is_convertible_v<A, V>);

template <class V, class... A>
struct common_vector {
  static constexpr bool exists = (fits<V, A> && ...);
  static constexpr bool of_floats = exists && __is_floating_point(typename V::element_type);
  static constexpr bool of_integers = exists && metal::is_integral_v<typename V::element_type>;
};
template <class... A>
struct common_vector<void, A...> {
  static constexpr bool exists = false, of_floats = false, of_integers = false;
};

// The one vector type of the arguments; no type if there is none.
template <class... A>
using vector_of = metal::enable_if_t<common_vector<typename first_vector<A...>::type, A...>::exists,
                                     typename first_vector<A...>::type>;
template <class... A>
using float_vector_of = metal::enable_if_t<common_vector<typename first_vector<A...>::type, A...>::of_floats,
                                           typename first_vector<A...>::type>;
template <class... A>
using integer_vector_of = metal::enable_if_t<common_vector<typename first_vector<A...>::type, A...>::of_integers,
                                             typename first_vector<A...>::type>;

// A scalar or vector type with other components.
template <class T>
struct components_as {
  template <class U>
  using of = U;
  using element = T;
  static constexpr bool valid = __is_floating_point(T);
};
template <class T, int N>
struct components_as<metal::vec<T, N>> {
  using element = T;
  template <class U>
  using of = metal::vec<U, N>;
  static constexpr bool valid = __is_floating_point(T);
};

// Whether T is float, half or a vector of them, which is what math functions take. (A bfloat converts to float.)
template <class T>
inline constexpr bool is_floating = components_as<T>::valid;
// The type of T's components, T itself for a scalar.
template <class T>
using element_of = typename components_as<T>::element;
// T with components of type U.
template <class U, class T>
using with_components = typename components_as<T>::template of<U>;

// A number as itself and a vector as its native vector, and back.
template <class T>
METTLE_INLINE auto to_native(T x) {
  if constexpr (metal::is_arithmetic_v<T>) {
    return x;
  } else {
    return x.to_native();
  }
}
template <class T, class Native>
METTLE_INLINE T from_native(Native x) {
  if constexpr (metal::is_arithmetic_v<T>) {
    return x;
  } else {
    return T::from_native(x);
  }
}

// The operand or result of a math function as float or as a native vector of floats, and back.
template <class T>
METTLE_INLINE auto to_floats(T x) {
  if constexpr (metal::is_arithmetic_v<T>) {
    return float(x);
  } else {
    return math::convert<native<float, T::count>>(x.to_native());
  }
}
template <class T, class F>
METTLE_INLINE T from_floats(F x) {
  if constexpr (metal::is_arithmetic_v<T>) {
    return T(x);
  } else {
    return T::from_native(math::convert<typename T::computed>(x));
  }
}

}  // namespace mettle

// Overloads of `name` for float, half and their vectors, with one, two or three operands; `implementation` is a
// function template on float and native vectors of floats. To be used in namespace metal.
#define METTLE_FLOAT_FUNCTION1(name, implementation)                               \
  METTLE_INLINE float name(float x) { return implementation(x); }                  \
  METTLE_INLINE half name(half x) { return half(implementation(float(x))); }       \
  template <class A>                                                               \
  METTLE_INLINE mettle::float_vector_of<A> name(A x) {                             \
    using V = mettle::float_vector_of<A>;                                          \
    return mettle::from_floats<V>(implementation(mettle::to_floats<V>(x)));        \
  }

#define METTLE_FLOAT_FUNCTION2(name, implementation)                                                 \
  METTLE_INLINE float name(float x, float y) { return implementation(x, y); }                        \
  METTLE_INLINE half name(half x, half y) { return half(implementation(float(x), float(y))); }       \
  template <class A, class B>                                                                        \
  METTLE_INLINE mettle::float_vector_of<A, B> name(A x, B y) {                                       \
    using V = mettle::float_vector_of<A, B>;                                                         \
    return mettle::from_floats<V>(implementation(mettle::to_floats<V>(x), mettle::to_floats<V>(y))); \
  }

#define METTLE_FLOAT_FUNCTION3(name, implementation)                                                \
  METTLE_INLINE float name(float x, float y, float z) { return implementation(x, y, z); }           \
  METTLE_INLINE half name(half x, half y, half z) {                                                 \
    return half(implementation(float(x), float(y), float(z)));                                      \
  }                                                                                                 \
  template <class A, class B, class C>                                                              \
  METTLE_INLINE mettle::float_vector_of<A, B, C> name(A x, B y, C z) {                              \
    using V = mettle::float_vector_of<A, B, C>;                                                     \
    return mettle::from_floats<V>(                                                                  \
        implementation(mettle::to_floats<V>(x), mettle::to_floats<V>(y), mettle::to_floats<V>(z))); \
  }
