// Operations that combine two values of a type into one: what reductions, scans and atomic updates are made of. Each
// works on scalars and, component by component, on vectors.
#pragma once

#include "arguments.h"

namespace mettle {

// Of a number and a NaN, the number.
template <class T>
METTLE_INLINE T lesser(T a, T b) {
  return (b < a || a != a) ? b : a;
}
template <class T>
METTLE_INLINE T greater(T a, T b) {
  return (b > a || a != a) ? b : a;
}
#ifdef METTLE_PTX
// One instruction.
METTLE_INLINE float lesser(float a, float b) { return __builtin_fminf(a, b); }
METTLE_INLINE float greater(float a, float b) { return __builtin_fmaxf(a, b); }
#endif

#define METTLE_OPERATION(Name, expression)                                        \
  struct Name {                                                                   \
    template <class T>                                                            \
    METTLE_INLINE static T scalar(T a, T b) {                                     \
      return T(expression);                                                       \
    }                                                                             \
    template <class T>                                                            \
    METTLE_INLINE static T apply(T a, T b) {                                      \
      if constexpr (metal::is_arithmetic_v<T>) {                                  \
        return scalar(a, b);                                                      \
      } else {                                                                    \
        for (int i = 0; i < T::count; i++) a.put(i, scalar(a.get(i), b.get(i)));  \
        return a;                                                                 \
      }                                                                           \
    }                                                                             \
  };

METTLE_OPERATION(Sum, a + b)
METTLE_OPERATION(Difference, a - b)
METTLE_OPERATION(Product, a * b)
METTLE_OPERATION(Minimum, lesser(a, b))
METTLE_OPERATION(Maximum, greater(a, b))
METTLE_OPERATION(BitAnd, a & b)
METTLE_OPERATION(BitOr, a | b)
METTLE_OPERATION(BitXor, a ^ b)
#undef METTLE_OPERATION

}  // namespace mettle
