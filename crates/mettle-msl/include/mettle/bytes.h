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

// sum + the products of the four bytes of `a`, unsigned, with those of `b`, which are signed or not.
template <bool SIGNED>
METTLE_INLINE int add_products(uint a, uint b, int sum) {
#ifdef METTLE_PTX
  int result;
  if constexpr (SIGNED) {
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  } else {
    asm("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  }
  return result;
#else
  for (uint i = 0; i < 4; i++) {
    const uint byte = b >> 8 * i & 255;
    sum += int(a >> 8 * i & 255) * (SIGNED ? int((signed char)byte) : int(byte));
  }
  return sum;
#endif
}

}  // namespace mettle
