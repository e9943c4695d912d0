// Operations that combine two values of a type into one: what reductions, scans and atomic updates are made of. Each
// works on scalars and, component by component, on vectors.
#pragma once

#include "arguments.h"

namespace mettle {

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
// Of a number and a NaN, the number.
METTLE_OPERATION(Minimum, (b < a || a != a) ? b : a)
METTLE_OPERATION(Maximum, (b > a || a != a) ? b : a)
METTLE_OPERATION(BitAnd, a & b)
METTLE_OPERATION(BitOr, a | b)
METTLE_OPERATION(BitXor, a ^ b)
#undef METTLE_OPERATION

}  // namespace mettle
