// How a SIMD-group operation runs on an NVIDIA GPU: the group is a warp, and the lanes that execute the operation
// together take part in it. The lanes of a warp that left a loop or wait at the end of a branch do not; lanes that the
// threadgroup does not have, because its size is not a multiple of 32, do not exist in the warp either.
#pragma once

#include "../abi.h"
#include "../traits.h"

namespace mettle {

METTLE_INLINE constexpr ulong call_site() { return 0; }

METTLE_INLINE uint lane_index() { return uint(__nvvm_read_ptx_sreg_laneid()); }

// The index of the thread in its threadgroup, of which each 32 are a SIMD group.
METTLE_INLINE uint thread_index() {
  const uint row = uint(__nvvm_read_ptx_sreg_tid_y()) + uint(__nvvm_read_ptx_sreg_ntid_y()) * uint(__nvvm_read_ptx_sreg_tid_z());
  return uint(__nvvm_read_ptx_sreg_tid_x()) + uint(__nvvm_read_ptx_sreg_ntid_x()) * row;
}

// The lanes of the warp that run this together, as bits.
METTLE_INLINE uint active_lanes() { return __nvvm_activemask(); }

// A value as 32-bit words, which is what moves between lanes.
template <class T>
struct Words {
  static constexpr uint count = (sizeof(T) + 3) / 4;
  uint word[count];

  explicit METTLE_INLINE Words(const T& value) {
    word[count - 1] = 0;
    __builtin_memcpy(word, &value, sizeof(T));
  }
  METTLE_INLINE T value() const {
    T value;
    __builtin_memcpy(&value, word, sizeof(T));
    return value;
  }
};

// The value of lane `from`, which is one of the active ones. All active lanes call it.
template <class T>
METTLE_INLINE T read_lane(uint active, const T& value, uint from) {
  Words<T> words(value);
  for (uint& word : words.word) word = uint(__nvvm_shfl_sync_idx_i32(active, int(word), int(from), 31));
  return words.value();
}

// The value of the lane whose number differs by `mask`, where all 32 lanes are active.
template <class T>
METTLE_INLINE T read_across(const T& value, uint mask) {
  Words<T> words(value);
  for (uint& word : words.word) word = uint(__nvvm_shfl_sync_bfly_i32(~0u, int(word), int(mask), 31));
  return words.value();
}

// What `Operation::apply(active lanes, operand)` returns to the calling lane.
template <class Operation, class Out, class In>
METTLE_INLINE Out collective(ulong, const In& operand) {
  return Operation::apply(active_lanes(), operand);
}

}  // namespace mettle
