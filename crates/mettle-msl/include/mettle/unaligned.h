// A vector from memory that is aligned for something smaller only.
#pragma once

#include "lanes.h"

namespace mettle {

// Sixteen bytes or a multiple of it from memory that is aligned for T.
template <class V, class T>
METTLE_INLINE V load_unaligned(const T* from) {
  V v;
#ifdef METTLE_PTX
  // LLVM 19 makes one load of 16 bytes, which faults at other addresses than multiples of 16.
  if constexpr (sizeof(T) < 4 && sizeof(V) == 16) {
    ulong halves[2];
    __builtin_memcpy(&halves[0], from, 8);
    __builtin_memcpy(&halves[1], from + 8 / sizeof(T), 8);
    __builtin_memcpy(&v, halves, 16);
    return v;
  }
#endif
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}

}  // namespace mettle
