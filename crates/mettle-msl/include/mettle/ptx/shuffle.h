// Moves of values between the lanes of a warp.
#pragma once

#include "collective.h"

namespace mettle {

// `Source::lane(lane, by)` is the lane to read from; a number of 32 or more means none.
template <class Source>
struct Shuffle {
  template <class T>
  METTLE_INLINE static T apply(uint active, const Moved<T>& own) {
    const uint lane = lane_index();
    const uint from = Source::lane(lane, own.by);
    const bool present = from < simd_width && (active >> from & 1u) != 0;
    return read_lane(active, own.value, present ? from : lane);
  }
};

// Within segments of `modulo` lanes the values move up (or down) by `delta`; the lanes left free at the bottom (top)
// take the fill values from the other end of the segment.
template <bool Up>
struct Fill {
  template <class T>
  METTLE_INLINE static T apply(uint active, const Filled<T>& own) {
    const uint lane = lane_index();
    const uint place = lane % own.modulo;
    const bool stays = Up ? place >= own.delta : place + own.delta < own.modulo;
    const uint around = stays ? 0 : own.modulo;
    const uint from = Up ? lane + around - own.delta : lane + own.delta - around;
    const bool present = from < simd_width && (active >> from & 1u) != 0;
    const T value = read_lane(active, own.value, present ? from : lane);
    const T fill = read_lane(active, own.fill, present ? from : lane);
    return !present || stays ? value : fill;
  }
};

struct BroadcastFirst {
  template <class T>
  METTLE_INLINE static T apply(uint active, const T& value) {
    return read_lane(active, value, uint(__builtin_ctz(active)));
  }
};
struct QuadBroadcastFirst {
  template <class T>
  METTLE_INLINE static T apply(uint active, const T& value) {
    const uint base = lane_index() & ~3u;
    return read_lane(active, value, base + uint(__builtin_ctz(active >> base & 15u)));
  }
};

}  // namespace mettle
