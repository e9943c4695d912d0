// Moves of values between the lanes of a SIMD group or of a quad.
//
// A lane that reads from one that does not take part, or from outside the group, keeps its own value where Metal leaves
// the result undefined.
#pragma once

#include "collective.h"

namespace mettle {

// A value, and a number that says where to read from.
template <class T>
struct Moved {
  T value;
  uint by;
};

// Two values and two numbers: what a shuffle that fills needs.
template <class T>
struct Filled {
  T value;
  T fill;
  uint delta;
  uint modulo;
};

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

template <class Source, class T>
METTLE_INLINE T shuffle(T value, uint by, ulong site) {
  return collective<Shuffle<Source>, T>(site, Moved<T>{value, by});
}

// Sources. `Count` is 32 for a SIMD group, 4 for a quad.
template <uint Count>
struct FromIndex {
  METTLE_INLINE static uint lane(uint lane, uint index) { return index < Count ? lane / Count * Count + index : simd_width; }
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
  METTLE_INLINE static uint lane(uint lane, uint delta) { return delta < Count - lane % Count ? lane + delta : simd_width; }
};
template <uint Count>
struct FromBelowAround {
  METTLE_INLINE static uint lane(uint lane, uint delta) { return lane / Count * Count + (lane + Count - delta % Count) % Count; }
};
template <uint Count>
struct FromAboveAround {
  METTLE_INLINE static uint lane(uint lane, uint delta) { return lane / Count * Count + (lane + delta) % Count; }
};

// Within segments of `modulo` lanes the values move up by `delta`; the lanes left free at the bottom take the fill
// values from the top of the segment.
struct FillUp {
  template <class T>
  static void apply(const Lanes<Filled<T>>& lanes, T* results) {
    for (uint lane = 0; lane < simd_width; lane++) {
      if (!lanes.has(lane)) continue;
      const Filled<T>& own = lanes[lane];
      const bool moved = lane % own.modulo >= own.delta;
      const uint from = moved ? lane - own.delta : lane + own.modulo - own.delta;
      results[lane] = !lanes.has(from) ? own.value : moved ? lanes[from].value : lanes[from].fill;
    }
  }
};

// As FillUp, downwards: the lanes left free at the top take the fill values from the bottom of the segment.
struct FillDown {
  template <class T>
  static void apply(const Lanes<Filled<T>>& lanes, T* results) {
    for (uint lane = 0; lane < simd_width; lane++) {
      if (!lanes.has(lane)) continue;
      const Filled<T>& own = lanes[lane];
      const bool moved = lane % own.modulo + own.delta < own.modulo;
      const uint from = moved ? lane + own.delta : lane + own.delta - own.modulo;
      results[lane] = !lanes.has(from) ? own.value : moved ? lanes[from].value : lanes[from].fill;
    }
  }
};

struct BroadcastFirst {
  template <class T>
  static void apply(const Lanes<T>& lanes, T* results) {
    for (uint lane = 0; lane < simd_width; lane++) results[lane] = lanes[lanes.first()];
  }
};

}  // namespace mettle

namespace metal {

#define METTLE_SHUFFLE(name, source)                                              \
  template <class T>                                                              \
  METTLE_INLINE T name(T data, ushort by, ulong site = METTLE_SITE) {             \
    return mettle::shuffle<mettle::source>(data, by, site);                       \
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

template <class T>
METTLE_INLINE T simd_broadcast_first(T data, ulong site = METTLE_SITE) {
  return mettle::collective<mettle::BroadcastFirst, T>(site, data);
}

// `modulo` is the width of the segments that are shifted: 2, 4, 8, 16 or 32.
template <class T>
METTLE_INLINE T simd_shuffle_and_fill_up(T data, T filling, ushort delta, ushort modulo = 32, ulong site = METTLE_SITE) {
  return mettle::collective<mettle::FillUp, T>(site, mettle::Filled<T>{data, filling, delta, modulo});
}
template <class T>
METTLE_INLINE T simd_shuffle_and_fill_down(T data, T filling, ushort delta, ushort modulo = 32, ulong site = METTLE_SITE) {
  return mettle::collective<mettle::FillDown, T>(site, mettle::Filled<T>{data, filling, delta, modulo});
}
template <class T>
METTLE_INLINE T quad_shuffle_and_fill_up(T data, T filling, ushort delta, ushort modulo = 4, ulong site = METTLE_SITE) {
  return mettle::collective<mettle::FillUp, T>(site, mettle::Filled<T>{data, filling, delta, modulo});
}
template <class T>
METTLE_INLINE T quad_shuffle_and_fill_down(T data, T filling, ushort delta, ushort modulo = 4, ulong site = METTLE_SITE) {
  return mettle::collective<mettle::FillDown, T>(site, mettle::Filled<T>{data, filling, delta, modulo});
}

}  // namespace metal
