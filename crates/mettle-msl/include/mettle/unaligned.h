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

// A V of whole words from an address that is a multiple of two, `within` a word or at its beginning, when all of the words that
// it is part of may be read.
template <class V>
METTLE_INLINE V load_from_words(const ushort* from, bool within) {
#ifdef METTLE_PTX
  constexpr uint words = sizeof(V) / sizeof(uint);
  const uint* whole = (const uint*)(from - within);
  const uint selector = within ? 0x5432 : 0x3210;
  uint loaded[words + 1];
  for (uint i = 0; i < words; i++) loaded[i] = whole[i];
  loaded[words] = whole[words - !within];
  uint shifted[words];
  for (uint i = 0; i < words; i++) shifted[i] = __nvvm_prmt(loaded[i], loaded[i + 1], selector);
  V v;
  __builtin_memcpy(&v, shifted, sizeof(v));
  return v;
#else
  return load_unaligned<V>(from);
#endif
}

}  // namespace mettle
