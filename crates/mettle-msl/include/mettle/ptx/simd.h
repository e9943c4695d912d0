// Reductions, scans and votes over a warp. Results have the bits that the CPU device computes, scans of floats excepted.
#pragma once

#include "../operations.h"
#include "collective.h"

namespace mettle {

// Reductions of 32-bit integers that are one instruction.
template <class Operation>
struct WarpReduction {
  static constexpr bool exists = false;
};
#define METTLE_WARP_REDUCTION(Operation, signed_builtin, unsigned_builtin)                              \
  template <>                                                                                          \
  struct WarpReduction<Operation> {                                                                    \
    static constexpr bool exists = true;                                                               \
    METTLE_INLINE static int apply(uint active, int value) { return signed_builtin(value, active); }   \
    METTLE_INLINE static uint apply(uint active, uint value) { return unsigned_builtin(value, active); } \
  };
METTLE_WARP_REDUCTION(Sum, __nvvm_redux_sync_add, __nvvm_redux_sync_add)
METTLE_WARP_REDUCTION(Minimum, __nvvm_redux_sync_min, __nvvm_redux_sync_umin)
METTLE_WARP_REDUCTION(Maximum, __nvvm_redux_sync_max, __nvvm_redux_sync_umax)
METTLE_WARP_REDUCTION(BitAnd, __nvvm_redux_sync_and, __nvvm_redux_sync_and)
METTLE_WARP_REDUCTION(BitOr, __nvvm_redux_sync_or, __nvvm_redux_sync_or)
METTLE_WARP_REDUCTION(BitXor, __nvvm_redux_sync_xor, __nvvm_redux_sync_xor)
#undef METTLE_WARP_REDUCTION

// Every lane of a group of `Count` lanes gets the fold over its group: 32 for a SIMD group, 4 for a quad.
template <class Operation, uint Count>
struct Reduce {
  template <class T>
  METTLE_INLINE static T apply(uint active, T value) {
    if constexpr (Count == simd_width && WarpReduction<Operation>::exists && metal::is_integral_v<T> && sizeof(T) <= 4) {
      using Wide = metal::conditional_t<metal::is_signed_v<T>, int, uint>;
      return T(WarpReduction<Operation>::apply(active, Wide(value)));
    }
    if (active == ~0u) {
      for (uint distance = Count / 2; distance > 0; distance /= 2) {
        value = Operation::apply(value, read_across(value, distance));
      }
      return value;
    }
    return fold_active(active, value);
  }

 private:
  // The same tree where some lanes do not take part. After the step of a distance d, the lanes of a group whose numbers
  // agree modulo d hold the same fold, so any of them that is active speaks for all.
  template <class T>
  METTLE_INLINE static T fold_active(uint active, T value) {
    const uint lane = lane_index();
    const uint group = (~0u >> (32 - Count)) << (lane & ~(Count - 1));
    for (uint distance = Count / 2; distance > 0; distance /= 2) {
      // One bit for every 2 * distance lanes, from lane 0.
      const uint every = distance == 16 ? 1u : ~0u / ((1u << 2 * distance) - 1u);
      const uint others = active & group & every << ((lane ^ distance) & (2 * distance - 1));
      const T other = read_lane(active, value, others != 0 ? uint(__builtin_ctz(others)) : lane);
      const bool above = (lane & distance) != 0;
      if (others != 0) value = above ? Operation::apply(other, value) : Operation::apply(value, other);
    }
    return value;
  }
};

// Every lane gets the fold, in lane order, over the lanes of its group of `Count` before it, itself included or not;
// the first lane of an exclusive scan gets the identity.
template <class Operation, uint Count, bool Inclusive, int Identity>
struct Scan {
  template <class T>
  METTLE_INLINE static T apply(uint active, T value) {
    const uint lane = lane_index();
    const uint base = lane & ~(Count - 1);
    if (active == ~0u) {
      for (uint distance = 1; distance < Count; distance *= 2) {
        const uint from = lane - distance;
        const T below = read_lane(active, value, from & 31u);
        if (lane - base >= distance) value = Operation::apply(below, value);
      }
      if (Inclusive) return value;
      const T below = read_lane(active, value, (lane - 1) & 31u);
      return lane == base ? T(Identity) : below;
    }
    T running = T(Identity);
    for (uint rest = active; rest != 0; rest &= rest - 1) {
      const uint from = uint(__builtin_ctz(rest));
      const T next = read_lane(active, value, from);
      if (from >= base && (Inclusive ? from <= lane : from < lane)) running = Operation::apply(running, next);
    }
    return running;
  }
};

// The lanes whose operand is true, as bits.
struct Ballot {
  METTLE_INLINE static uint apply(uint active, bool vote) { return __nvvm_vote_ballot_sync(active, vote); }
};

}  // namespace mettle
