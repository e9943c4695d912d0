// SIMD-group operations of the CPU device: each lane hands over its operand and waits; the last one to arrive lets one
// function compute the results of all lanes that take part.
//
// What a lane hands over lies on its own stack, which stays as it is while the lane waits.
#pragma once

#include "abi.h"
#include "vec.h"

// The place of a call in the rewritten source, as the default argument of a function: line and column. Lanes that wait
// at different places do not take part in each other's operation.
#define METTLE_SITE ((ulong(__builtin_LINE()) << 16) | ulong(__builtin_COLUMN()))

namespace mettle {

// The operands of the lanes that take part in an operation.
template <class T>
struct Lanes {
  const void* const* operands;
  uint active;

  METTLE_INLINE bool has(uint lane) const { return lane < simd_width && (active >> lane & 1u) != 0; }
  METTLE_INLINE const T& operator[](uint lane) const { return *static_cast<const T*>(operands[lane]); }
  METTLE_INLINE uint first() const { return uint(__builtin_ctz(active)); }
};

template <class Operation, class In, class Out>
void combine(const void* const* in, void* const* out, uint active) {
  const Lanes<In> lanes{in, active};
  Out results[simd_width];
  Operation::apply(lanes, results);
  for (uint lane = 0; lane < simd_width; lane++) {
    if (lanes.has(lane)) *static_cast<Out*>(out[lane]) = results[lane];
  }
}

// The result of `Operation::apply(lanes, results)` for the calling lane. `apply` fills the results of the active lanes.
template <class Operation, class Out, class In>
METTLE_INLINE Out collective(ulong site, const In& operand) {
  Out result;
  mettle_hooks->collective(site, &combine<Operation, In, Out>, &operand, &result);
  return result;
}

METTLE_INLINE uint lane_index() { return mettle_hooks->thread_index() % simd_width; }

// The same operation on scalars and, component by component, on vectors.
template <class Scalar, class T>
METTLE_INLINE T by_component(const T& a, const T& b) {
  return Scalar::apply(a, b);
}
template <class Scalar, class T, int N>
METTLE_INLINE metal::vec<T, N> by_component(const metal::vec<T, N>& a, const metal::vec<T, N>& b) {
  metal::vec<T, N> r = a;
  for (int i = 0; i < N; i++) r[i] = Scalar::apply(a.get(i), b.get(i));
  return r;
}

struct Sum {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return T(a + b);
  }
};
struct Product {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return T(a * b);
  }
};
// Of a number and a NaN, the number.
struct Minimum {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return b < a || a != a ? b : a;
  }
};
struct Maximum {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return b > a || a != a ? b : a;
  }
};
struct BitAnd {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return T(a & b);
  }
};
struct BitOr {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return T(a | b);
  }
};
struct BitXor {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return T(a ^ b);
  }
};

// Folds the operands of `count` lanes from `base` (a power of two, at most 32) pairwise, the distance halving each time,
// as a butterfly of shuffles does: the rounding does not depend on the order in which lanes arrive. Lanes that do not
// take part are passed over.
template <class Scalar, uint Count, class T>
METTLE_INLINE T fold(const Lanes<T>& lanes, uint base) {
  T value[Count];
  bool present[Count];
  for (uint i = 0; i < Count; i++) {
    present[i] = lanes.has(base + i);
    if (present[i]) value[i] = lanes[base + i];
  }
  for (uint distance = Count / 2; distance > 0; distance /= 2) {
    for (uint i = 0; i < distance; i++) {
      if (present[i] && present[i + distance]) {
        value[i] = by_component<Scalar>(value[i], value[i + distance]);
      } else if (present[i + distance]) {
        value[i] = value[i + distance];
        present[i] = true;
      }
    }
  }
  return value[0];
}

// Every lane of a group of `Count` lanes gets the fold over its group: 32 for a SIMD group, 4 for a quad.
template <class Scalar, uint Count>
struct Reduce {
  template <class T>
  static void apply(const Lanes<T>& lanes, T* results) {
    for (uint base = 0; base < simd_width; base += Count) {
      if ((lanes.active >> base & (~0u >> (32 - Count))) == 0) continue;
      const T folded = fold<Scalar, Count>(lanes, base);
      for (uint i = 0; i < Count; i++) results[base + i] = folded;
    }
  }
};

// Every lane gets the fold over the lanes of its group of `Count` before it, itself included or not; the first lane of
// an exclusive scan gets the identity.
template <class Scalar, uint Count, bool Inclusive, int Identity>
struct Scan {
  template <class T>
  static void apply(const Lanes<T>& lanes, T* results) {
    for (uint base = 0; base < simd_width; base += Count) {
      T running = T(Identity);
      for (uint lane = base; lane < base + Count; lane++) {
        if (!lanes.has(lane)) continue;
        const T next = by_component<Scalar>(running, lanes[lane]);
        results[lane] = Inclusive ? next : running;
        running = next;
      }
    }
  }
};

}  // namespace mettle
