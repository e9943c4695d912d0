// The functions of <metal_geometric> on vectors of float and half. Sums are formed from the first component to
// the last, in the vector's own precision.
#pragma once

#include "math.h"

namespace metal {

template <class A, class B, class V = mettle::float_vector_of<A, B>>
METTLE_INLINE typename V::element_type dot(A x, B y) {
  const V product = V(x) * V(y);
  typename V::element_type sum = product.get(0);
  for (int i = 1; i < V::count; i++) sum += product.get(i);
  return sum;
}

template <class A, class V = mettle::float_vector_of<A>>
METTLE_INLINE typename V::element_type length_squared(A x) {
  return dot(V(x), V(x));
}
template <class A, class V = mettle::float_vector_of<A>>
METTLE_INLINE typename V::element_type length(A x) {
  return sqrt(length_squared(x));
}
template <class A, class B, class V = mettle::float_vector_of<A, B>>
METTLE_INLINE typename V::element_type distance_squared(A x, B y) {
  return length_squared(V(x) - V(y));
}
template <class A, class B, class V = mettle::float_vector_of<A, B>>
METTLE_INLINE typename V::element_type distance(A x, B y) {
  return length(V(x) - V(y));
}
template <class A, class V = mettle::float_vector_of<A>>
METTLE_INLINE V normalize(A x) {
  return V(x) * rsqrt(length_squared(x));
}

template <class A, class B, class V = mettle::float_vector_of<A, B>>
METTLE_INLINE V cross(A a, B b) {
  static_assert(V::count == 3, "cross takes vectors of three components");
  const V x = a, y = b;
  return x.yzx * y.zxy - x.zxy * y.yzx;
}

// `n` turned to the side `i` comes from, as `reference` tells.
template <class A, class B, class C, class V = mettle::float_vector_of<A, B, C>>
METTLE_INLINE V faceforward(A n, B i, C reference) {
  return dot(V(reference), V(i)) < typename V::element_type(0) ? V(n) : -V(n);
}
template <class A, class B, class V = mettle::float_vector_of<A, B>>
METTLE_INLINE V reflect(A i, B n) {
  const V normal = normalize(n);
  return V(i) - normal * (typename V::element_type(2) * dot(normal, V(i)));
}
// `i` and `n` have length 1; `eta` is the ratio of the indices of refraction. 0 where everything is reflected.
template <class A, class B, class V = mettle::float_vector_of<A, B>>
METTLE_INLINE V refract(A i, B n, mettle::identity_t<typename V::element_type> eta) {
  using T = typename V::element_type;
  const T along = dot(V(n), V(i));
  const T rest = T(1) - eta * eta * (T(1) - along * along);
  return rest < T(0) ? V(T(0)) : V(i) * eta - V(n) * T(eta * along + sqrt(rest));
}

namespace fast {
using metal::distance, metal::length, metal::normalize;
}
namespace precise {
using metal::distance, metal::length, metal::normalize;
}

}  // namespace metal
