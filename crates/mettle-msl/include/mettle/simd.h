// Reductions, scans and votes over a SIMD group of 32 lanes, and over quads of 4.
#pragma once

#include "collective.h"

namespace metal {

#define METTLE_REDUCTION(name, scalar)                                                     \
  template <class T>                                                                       \
  METTLE_INLINE T simd_##name(T data, ulong site = METTLE_SITE) {                          \
    return mettle::collective<mettle::Reduce<mettle::scalar, 32>, T>(site, data);          \
  }                                                                                        \
  template <class T>                                                                       \
  METTLE_INLINE T quad_##name(T data, ulong site = METTLE_SITE) {                          \
    return mettle::collective<mettle::Reduce<mettle::scalar, 4>, T>(site, data);           \
  }

METTLE_REDUCTION(sum, Sum)
METTLE_REDUCTION(product, Product)
METTLE_REDUCTION(min, Minimum)
METTLE_REDUCTION(max, Maximum)
METTLE_REDUCTION(and, BitAnd)
METTLE_REDUCTION(or, BitOr)
METTLE_REDUCTION(xor, BitXor)

#undef METTLE_REDUCTION

#define METTLE_SCAN(name, scalar, identity)                                                               \
  template <class T>                                                                                      \
  METTLE_INLINE T simd_prefix_inclusive_##name(T data, ulong site = METTLE_SITE) {                        \
    return mettle::collective<mettle::Scan<mettle::scalar, 32, true, identity>, T>(site, data);           \
  }                                                                                                       \
  template <class T>                                                                                      \
  METTLE_INLINE T simd_prefix_exclusive_##name(T data, ulong site = METTLE_SITE) {                        \
    return mettle::collective<mettle::Scan<mettle::scalar, 32, false, identity>, T>(site, data);          \
  }                                                                                                       \
  template <class T>                                                                                      \
  METTLE_INLINE T quad_prefix_inclusive_##name(T data, ulong site = METTLE_SITE) {                        \
    return mettle::collective<mettle::Scan<mettle::scalar, 4, true, identity>, T>(site, data);            \
  }                                                                                                       \
  template <class T>                                                                                      \
  METTLE_INLINE T quad_prefix_exclusive_##name(T data, ulong site = METTLE_SITE) {                        \
    return mettle::collective<mettle::Scan<mettle::scalar, 4, false, identity>, T>(site, data);           \
  }

METTLE_SCAN(sum, Sum, 0)
METTLE_SCAN(product, Product, 1)

#undef METTLE_SCAN

// One bit a lane: what a ballot returns.
class simd_vote {
 public:
  using vote_t = ulong;

  simd_vote() = default;
  METTLE_INLINE explicit constexpr simd_vote(vote_t bits) : bits_(bits) {}
  METTLE_INLINE explicit constexpr operator vote_t() const { return bits_; }
  METTLE_INLINE constexpr bool all() const { return bits_ == 0xffffffffu; }
  METTLE_INLINE constexpr bool any() const { return bits_ != 0; }

 private:
  vote_t bits_;
};

}  // namespace metal

namespace mettle {

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

METTLE_INLINE uint ballot(bool vote, ulong site) { return collective<Ballot, uint>(site, vote); }

// The bits of the calling lane's quad.
METTLE_INLINE uint quad_bits(uint bits) { return bits >> (lane_index() & ~3u) & 15u; }

}  // namespace mettle

namespace metal {

METTLE_INLINE simd_vote simd_ballot(bool vote, ulong site = METTLE_SITE) {
  return simd_vote(mettle::ballot(vote, site));
}
METTLE_INLINE simd_vote simd_active_threads_mask(ulong site = METTLE_SITE) {
  return simd_vote(mettle::ballot(true, site));
}
METTLE_INLINE bool simd_any(bool vote, ulong site = METTLE_SITE) { return mettle::ballot(vote, site) != 0; }
METTLE_INLINE bool simd_all(bool vote, ulong site = METTLE_SITE) { return mettle::ballot(!vote, site) == 0; }
METTLE_INLINE bool simd_is_first(ulong site = METTLE_SITE) {
  return uint(__builtin_ctz(mettle::ballot(true, site))) == mettle::lane_index();
}
METTLE_INLINE bool simd_is_helper_thread() { return false; }

METTLE_INLINE bool quad_any(bool vote, ulong site = METTLE_SITE) {
  return mettle::quad_bits(mettle::ballot(vote, site)) != 0;
}
METTLE_INLINE bool quad_all(bool vote, ulong site = METTLE_SITE) {
  return mettle::quad_bits(mettle::ballot(!vote, site)) == 0;
}
METTLE_INLINE bool quad_is_first(ulong site = METTLE_SITE) {
  return uint(__builtin_ctz(mettle::quad_bits(mettle::ballot(true, site)))) == mettle::lane_index() % 4;
}

}  // namespace metal
