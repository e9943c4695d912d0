// Bytes of words.
#pragma once

#include "types.h"

namespace mettle {

// The word whose bytes, lowest first, are the bytes of a (0 to 3) and b (4 to 7) that the four low hexadecimal digits of
// SELECTOR name, lowest first.
template <uint SELECTOR>
METTLE_INLINE uint permute_bytes(uint a, uint b) {
#ifdef METTLE_PTX
  return __nvvm_prmt(a, b, SELECTOR);
#else
  const ulong bytes = ulong(b) << 32 | a;
  uint word = 0;
  for (uint i = 0; i < 4; i++) word |= uint(bytes >> 8 * (SELECTOR >> 4 * i & 7) & 255) << 8 * i;
  return word;
#endif
}

}  // namespace mettle
