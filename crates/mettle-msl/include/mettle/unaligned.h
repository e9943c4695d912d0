// A native vector from memory that is aligned for its components only.
#pragma once

#include "lanes.h"

namespace mettle {

template <class V, class T>
METTLE_INLINE V load_unaligned(const T* from) {
#ifdef METTLE_PTX
  // LLVM 19 makes one load of 16 bytes, which faults at other addresses than multiples of 16.
  if constexpr (sizeof(T) < 4 && sizeof(V) == 16) {
    using Half = decltype(V().lo);
    V v;
    v.lo = load_unaligned<Half>(from);
    v.hi = load_unaligned<Half>(from + 8 / sizeof(T));
    return v;
  }
#endif
  V v;
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}

}  // namespace mettle
