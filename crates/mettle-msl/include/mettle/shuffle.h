// Moves of values between the lanes of a SIMD group or of a quad.
//
// A lane that reads from one that does not take part, or from outside the group, keeps its own value where Metal leaves
// the result undefined.
#pragma once

#include "simd.h"

namespace mettle {

// A value, and the number that says where to read from.
template <class T>
struct Moved {
  T value;
  uint by;
};

// Values to fill with, and the numbers of a shuffle that does.
template <class T>
struct Filled {
  T value;
  T fill;
  uint delta;
  uint modulo;
};

}  // namespace mettle

#ifdef METTLE_PTX
#include "ptx/shuffle.h"
#else

namespace mettle {

// `Source::lane(lane, by)` is the lane to read from; a number of 32 or more means none.
template <class Source>
struct Shuffle {
  template <class T>
  static void apply(const Lanes<Moved<T>>& lanes, T* results) {
    for (uint lane = 0; lane < simd_width; lane++) {
      if (!lanes.has(lane)) continue;
      const uint from = Source::lane(lane, lanes[lane].by);
      results[lane] = lanes[lanes.has(from) ? from : lane].value;
    }
  }
};

// Within segments of `modulo` lanes the values move up (or down) by `delta`; the lanes left free at the bottom (top)
// take the fill values from the other end of the segment.
template <bool Up>
struct Fill {
  template <class T>
  static void apply(const Lanes<Filled<T>>& lanes, T* results) {
    for (uint lane = 0; lane < simd_width; lane++) {
      if (!lanes.has(lane)) continue;
      const Filled<T>& own = lanes[lane];
      const uint place = lane % own.modulo;
      const bool stays = Up ? place >= own.delta : place + own.delta < own.modulo;
      const uint around = stays ? 0 : own.modulo;
      const uint from = Up ? lane + around - own.delta : lane + own.delta - around;
      results[lane] = !lanes.has(from) ? own.value : stays ? lanes[from].value : lanes[from].fill;
    }
  }
};

struct BroadcastFirst {
  template <class T>
  static void apply(const Lanes<T>& lanes, T* results) {
    for (uint lane = 0; lane < simd_width; lane++) results[lane] = lanes[lanes.first()];
  }
};
struct QuadBroadcastFirst {
  template <class T>
  static void apply(const Lanes<T>& lanes, T* results) {
    for (uint base = 0; base < simd_width; base += 4) {
      const uint quad = lanes.active >> base & 15u;
      if (quad == 0) continue;
      for (uint i = 0; i < 4; i++) results[base + i] = lanes[base + uint(__builtin_ctz(quad))];
    }
  }
};

}  // namespace mettle

#endif  // METTLE_PTX

namespace mettle {

template <class Source, class T>
METTLE_INLINE T shuffle(T value, uint by, ulong site) {
  return collective<Shuffle<Source>, T>(site, Moved<T>{value, by});
}

// --- sources; `Count` is 32 for a SIMD group, 4 for a quad

template <uint Count>
struct FromIndex {
  METTLE_INLINE static uint lane(uint lane, uint index) {
    return index < Count ? lane / Count * Count + index : simd_width;
  }
};
template <uint Count>
struct FromXor {
  METTLE_INLINE static uint lane(uint lane, uint mask) { return mask < Count ? lane ^ mask : simd_width; }
};
template <uint Count>
struct FromBelow {
  METTLE_INLINE static uint lane(uint lane, uint delta) { return lane % Count >= delta ? lane - delta : simd_width; }
};
template <uint Count>
struct FromAbove {
  METTLE_INLINE static uint lane(uint lane, uint delta) {
    return delta < Count - lane % Count ? lane + delta : simd_width;
  }
};
template <uint Count>
struct FromBelowAround {
  METTLE_INLINE static uint lane(uint lane, uint delta) {
    return lane / Count * Count + (lane + Count - delta % Count) % Count;
  }
};
template <uint Count>
struct FromAboveAround {
  METTLE_INLINE static uint lane(uint lane, uint delta) { return lane / Count * Count + (lane + delta) % Count; }
};

// The value of the lane whose number differs by `mask`, where all lanes of the SIMD group take part: an NVIDIA GPU then need not find out
// which do, for which it would have to gather them.
template <class T>
METTLE_INLINE T shuffle_xor_of_all(T value, ushort mask, ulong site = call_site()) {
#ifdef METTLE_PTX
  return read_across(value, mask);
#else
  return shuffle<FromXor<simd_width>>(value, mask, site);
#endif
}

template <bool Up, class T>
METTLE_INLINE T shuffle_and_fill(T data, T filling, uint delta, uint modulo, ulong site) {
  return collective<Fill<Up>, T>(site, Filled<T>{data, filling, delta, modulo});
}

}  // namespace mettle

namespace metal {

#define METTLE_SHUFFLE(name, Source)                                                       \
  template <class A, class T = mettle::lane_value_t<A>>                                    \
  METTLE_INLINE T name(A data, ushort by, ulong site = mettle::call_site()) {              \
    return mettle::shuffle<mettle::Source>(T(data), by, site);                             \
  }

METTLE_SHUFFLE(simd_shuffle, FromIndex<32>)
METTLE_SHUFFLE(simd_broadcast, FromIndex<32>)
METTLE_SHUFFLE(simd_shuffle_xor, FromXor<32>)
METTLE_SHUFFLE(simd_shuffle_up, FromBelow<32>)
METTLE_SHUFFLE(simd_shuffle_down, FromAbove<32>)
METTLE_SHUFFLE(simd_shuffle_rotate_up, FromBelowAround<32>)
METTLE_SHUFFLE(simd_shuffle_rotate_down, FromAboveAround<32>)

METTLE_SHUFFLE(quad_shuffle, FromIndex<4>)
METTLE_SHUFFLE(quad_broadcast, FromIndex<4>)
METTLE_SHUFFLE(quad_shuffle_xor, FromXor<4>)
METTLE_SHUFFLE(quad_shuffle_up, FromBelow<4>)
METTLE_SHUFFLE(quad_shuffle_down, FromAbove<4>)
METTLE_SHUFFLE(quad_shuffle_rotate_up, FromBelowAround<4>)
METTLE_SHUFFLE(quad_shuffle_rotate_down, FromAboveAround<4>)
#undef METTLE_SHUFFLE

template <class A, class T = mettle::lane_value_t<A>>
METTLE_INLINE T simd_broadcast_first(A data, ulong site = mettle::call_site()) {
  return mettle::collective<mettle::BroadcastFirst, T>(site, T(data));
}
template <class A, class T = mettle::lane_value_t<A>>
METTLE_INLINE T quad_broadcast_first(A data, ulong site = mettle::call_site()) {
  return mettle::collective<mettle::QuadBroadcastFirst, T>(site, T(data));
}

// `modulo` is the width of the segments that are shifted: 2, 4, 8, 16 or 32 (2 or 4 in a quad).
#define METTLE_SHUFFLE_AND_FILL(name, Count, up)                                                        \
  template <class A, class T = mettle::lane_value_t<A>>                                                 \
  METTLE_INLINE T name(A data, mettle::identity_t<T> filling, ushort delta, ushort modulo = Count,      \
                       ulong site = mettle::call_site()) {                                              \
    return mettle::shuffle_and_fill<up>(T(data), filling, delta, modulo, site);                         \
  }

METTLE_SHUFFLE_AND_FILL(simd_shuffle_and_fill_up, 32, true)
METTLE_SHUFFLE_AND_FILL(simd_shuffle_and_fill_down, 32, false)
METTLE_SHUFFLE_AND_FILL(quad_shuffle_and_fill_up, 4, true)
METTLE_SHUFFLE_AND_FILL(quad_shuffle_and_fill_down, 4, false)
#undef METTLE_SHUFFLE_AND_FILL

}  // namespace metal
