// Reductions, scans and votes over a SIMD group of 32 lanes, and over quads of 4.
#pragma once

#include "collective.h"
#include "operations.h"

namespace mettle {

// What SIMD-group functions take an argument as, and return: numbers of up to 32 bits and vectors of them, a bfloat as
// float. Metal has none for bool, 64-bit integers and vectors of bfloat.
template <class T>
inline constexpr bool moves_between_lanes =
    metal::is_arithmetic_v<T> && sizeof(T) <= 4 && !metal::is_same_v<T, bool> && !is_bfloat<T>;
template <class T, int N>
inline constexpr bool moves_between_lanes<metal::vec<T, N>> = moves_between_lanes<T>;

template <class A>
using lane_value_t = metal::enable_if_t<moves_between_lanes<value_of_t<A>>, value_of_t<A>>;
// The same for bitwise operations, which take integers only.
template <class A>
using lane_bits_t =
    metal::enable_if_t<metal::is_integral_v<element_of<value_of_t<A>>> && moves_between_lanes<value_of_t<A>>,
                       value_of_t<A>>;

}  // namespace mettle

#ifdef METTLE_PTX
#include "ptx/simd.h"
#else

namespace mettle {

// The fold of `Count` values, in place: values half the distance apart are combined, then a quarter apart, and so on,
// as a butterfly of shuffles does. So the rounding does not depend on the order in which lanes arrive.
template <class Operation, uint Count, class T>
METTLE_INLINE T fold(T (&values)[Count]) {
  for (uint distance = Count / 2; distance > 0; distance /= 2) {
    for (uint i = 0; i < distance; i++) values[i] = Operation::apply(values[i], values[i + distance]);
  }
  return values[0];
}

// The same where some lanes do not take part: they are passed over.
template <class Operation, uint Count, class T>
T fold_present(const Lanes<T>& lanes, uint base) {
  T values[Count];
  bool present[Count];
  for (uint i = 0; i < Count; i++) {
    present[i] = lanes.has(base + i);
    if (present[i]) values[i] = lanes[base + i];
  }
  for (uint distance = Count / 2; distance > 0; distance /= 2) {
    for (uint i = 0; i < distance; i++) {
      if (!present[i + distance]) continue;
      values[i] = present[i] ? Operation::apply(values[i], values[i + distance]) : values[i + distance];
      present[i] = true;
    }
  }
  return values[0];
}

// Every lane of a group of `Count` lanes gets the fold over its group: 32 for a SIMD group, 4 for a quad.
template <class Operation, uint Count>
struct Reduce {
  template <class T>
  static void apply(const Lanes<T>& lanes, T* results) {
    for (uint base = 0; base < simd_width; base += Count) {
      T folded;
      if (lanes.has_all()) {
        T values[Count];
        for (uint i = 0; i < Count; i++) values[i] = lanes[base + i];
        folded = fold<Operation>(values);
      } else if ((lanes.active >> base & (~0u >> (32 - Count))) != 0) {
        folded = fold_present<Operation, Count>(lanes, base);
      } else {
        continue;
      }
      for (uint i = 0; i < Count; i++) results[base + i] = folded;
    }
  }
};

// Every lane gets the fold, in lane order, over the lanes of its group of `Count` before it, itself included or not;
// the first lane of an exclusive scan gets the identity.
template <class Operation, uint Count, bool Inclusive, int Identity>
struct Scan {
  template <class T>
  static void apply(const Lanes<T>& lanes, T* results) {
    for (uint base = 0; base < simd_width; base += Count) {
      T running = T(Identity);
      for (uint lane = base; lane < base + Count; lane++) {
        if (!lanes.has(lane)) continue;
        const T next = Operation::apply(running, lanes[lane]);
        results[lane] = Inclusive ? next : running;
        running = next;
      }
    }
  }
};

// The lanes whose operand is true, as bits.
struct Ballot {
  static void apply(const Lanes<bool>& lanes, uint* results) {
    uint bits = 0;
    for (uint lane = 0; lane < simd_width; lane++) {
      if (lanes.has(lane) && lanes[lane]) bits |= 1u << lane;
    }
    for (uint lane = 0; lane < simd_width; lane++) results[lane] = bits;
  }
};

}  // namespace mettle

#endif  // METTLE_PTX

namespace mettle {

// One bit a lane: what a ballot of `Count` lanes returns.
template <uint Count>
class Vote {
 public:
  using vote_t = ulong;

  Vote() = default;
  METTLE_INLINE explicit constexpr Vote(vote_t bits) : bits_(bits) {}
  METTLE_INLINE explicit constexpr operator vote_t() const { return bits_; }
  METTLE_INLINE constexpr bool all() const { return bits_ == ~0u >> (32 - Count); }
  METTLE_INLINE constexpr bool any() const { return bits_ != 0; }

 private:
  vote_t bits_;
};

METTLE_INLINE uint ballot(bool vote, ulong site) { return collective<Ballot, uint>(site, vote); }

// The bits of the calling lane's quad.
METTLE_INLINE uint quad_bits(uint bits) { return bits >> (lane_index() & ~3u) & 15u; }

}  // namespace mettle

namespace metal {

// The types that SIMD-group functions are declared for, under its name in Apple's headers.
template <class T>
struct __is_valid_simdgroup_type : bool_constant<mettle::moves_between_lanes<T>> {};

// --- reductions

#define METTLE_REDUCTION(name, Operation, allowed)                                           \
  template <class A, class T = mettle::allowed<A>>                                           \
  METTLE_INLINE T simd_##name(A data, ulong site = mettle::call_site()) {                    \
    return mettle::collective<mettle::Reduce<mettle::Operation, 32>, T>(site, T(data));      \
  }                                                                                          \
  template <class A, class T = mettle::allowed<A>>                                           \
  METTLE_INLINE T quad_##name(A data, ulong site = mettle::call_site()) {                    \
    return mettle::collective<mettle::Reduce<mettle::Operation, 4>, T>(site, T(data));       \
  }

METTLE_REDUCTION(sum, Sum, lane_value_t)
METTLE_REDUCTION(product, Product, lane_value_t)
METTLE_REDUCTION(min, Minimum, lane_value_t)
METTLE_REDUCTION(max, Maximum, lane_value_t)
METTLE_REDUCTION(and, BitAnd, lane_bits_t)
METTLE_REDUCTION(or, BitOr, lane_bits_t)
METTLE_REDUCTION(xor, BitXor, lane_bits_t)
#undef METTLE_REDUCTION

// --- scans

#define METTLE_SCAN(group, Count, name, Operation, identity)                                             \
  template <class A, class T = mettle::lane_value_t<A>>                                                  \
  METTLE_INLINE T group##_prefix_inclusive_##name(A data, ulong site = mettle::call_site()) {            \
    using Scan = mettle::Scan<mettle::Operation, Count, true, identity>;                                 \
    return mettle::collective<Scan, T>(site, T(data));                                                   \
  }                                                                                                      \
  template <class A, class T = mettle::lane_value_t<A>>                                                  \
  METTLE_INLINE T group##_prefix_exclusive_##name(A data, ulong site = mettle::call_site()) {            \
    using Scan = mettle::Scan<mettle::Operation, Count, false, identity>;                                \
    return mettle::collective<Scan, T>(site, T(data));                                                   \
  }

METTLE_SCAN(simd, 32, sum, Sum, 0)
METTLE_SCAN(simd, 32, product, Product, 1)
METTLE_SCAN(quad, 4, sum, Sum, 0)
METTLE_SCAN(quad, 4, product, Product, 1)
#undef METTLE_SCAN

// --- votes

using simd_vote = mettle::Vote<32>;
using quad_vote = mettle::Vote<4>;

METTLE_INLINE simd_vote simd_ballot(bool vote, ulong site = mettle::call_site()) {
  return simd_vote(mettle::ballot(vote, site));
}
METTLE_INLINE simd_vote simd_active_threads_mask(ulong site = mettle::call_site()) {
  return simd_vote(mettle::ballot(true, site));
}
METTLE_INLINE bool simd_any(bool vote, ulong site = mettle::call_site()) { return mettle::ballot(vote, site) != 0; }
METTLE_INLINE bool simd_all(bool vote, ulong site = mettle::call_site()) { return mettle::ballot(!vote, site) == 0; }
METTLE_INLINE bool simd_is_first(ulong site = mettle::call_site()) {
  return uint(__builtin_ctz(mettle::ballot(true, site))) == mettle::lane_index();
}
METTLE_INLINE bool simd_is_helper_thread() { return false; }

METTLE_INLINE quad_vote quad_ballot(bool vote, ulong site = mettle::call_site()) {
  return quad_vote(mettle::quad_bits(mettle::ballot(vote, site)));
}
METTLE_INLINE quad_vote quad_active_threads_mask(ulong site = mettle::call_site()) {
  return quad_vote(mettle::quad_bits(mettle::ballot(true, site)));
}
METTLE_INLINE bool quad_any(bool vote, ulong site = mettle::call_site()) {
  return mettle::quad_bits(mettle::ballot(vote, site)) != 0;
}
METTLE_INLINE bool quad_all(bool vote, ulong site = mettle::call_site()) {
  return mettle::quad_bits(mettle::ballot(!vote, site)) == 0;
}
METTLE_INLINE bool quad_is_first(ulong site = mettle::call_site()) {
  return uint(__builtin_ctz(mettle::quad_bits(mettle::ballot(true, site)))) == mettle::lane_index() % 4;
}

}  // namespace metal
