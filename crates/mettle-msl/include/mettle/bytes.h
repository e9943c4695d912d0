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

// For each byte of `indices`, below 16, the byte of `table` with that number, lowest first. V is a vector of four uints.
template <typename V>
METTLE_INLINE V look_up_bytes(V table, V indices) {
#if defined(METTLE_PTX)
  V found;
  for (uint i = 0; i < 4; i++) {
    // Four indices as the nibbles of a selector, whose upper bits would ask for the sign of a byte.
    const uint two = indices[i] | indices[i] >> 4;
    const uint selector = (two & 0xff) | (two >> 8 & 0xff00);
    const uint low = __nvvm_prmt(table[0], table[1], selector & 0x7777);
    const uint high = __nvvm_prmt(table[2], table[3], selector & 0x7777);
    found[i] = __nvvm_prmt(low, high, 0x3210 | (selector & 0x8888) >> 1);
  }
  return found;
#elif defined(__SSSE3__)
  typedef char bytes __attribute__((vector_size(16)));
  const bytes found = __builtin_ia32_pshufb128(__builtin_bit_cast(bytes, table), __builtin_bit_cast(bytes, indices));
  return __builtin_bit_cast(V, found);
#else
  V found = V(0);
  for (uint i = 0; i < 16; i++) {
    const uint index = indices[i / 4] >> 8 * (i % 4) & 15;
    found[i / 4] |= (table[index / 4] >> 8 * (index % 4) & 255) << 8 * (i % 4);
  }
  return found;
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

// Sixteen words.
typedef uint sixteen_words __attribute__((ext_vector_type(16)));
typedef int sixteen_ints __attribute__((ext_vector_type(16)));

// sums[i] + the products of the four bytes of a[i], unsigned and below 128, with those of b[i], signed.
METTLE_INLINE sixteen_ints add_products_of_each(sixteen_words a, sixteen_words b, sixteen_ints sums) {
#if defined(__AVX512VNNI__)
  typedef int native __attribute__((vector_size(64)));
  return __builtin_bit_cast(
      sixteen_ints, __builtin_ia32_vpdpbusd512(
                        __builtin_bit_cast(native, sums), __builtin_bit_cast(native, a), __builtin_bit_cast(native, b)));
#elif defined(__AVX2__)
  // Two products of bytes of which one is below 128 fit sixteen bits.
  typedef char native_bytes __attribute__((vector_size(32)));
  typedef short native_shorts __attribute__((vector_size(32)));
  typedef int eight_ints __attribute__((ext_vector_type(8)));
  typedef uint eight_words __attribute__((ext_vector_type(8)));
  const native_shorts ones = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  // Halves of their own: clang casts the bits of a.lo for those of a.hi.
  const eight_words a_low = a.lo, a_high = a.hi, b_low = b.lo, b_high = b.hi;
  const native_shorts low =
      __builtin_ia32_pmaddubsw256(__builtin_bit_cast(native_bytes, a_low), __builtin_bit_cast(native_bytes, b_low));
  const native_shorts high =
      __builtin_ia32_pmaddubsw256(__builtin_bit_cast(native_bytes, a_high), __builtin_bit_cast(native_bytes, b_high));
  sums.lo += __builtin_bit_cast(eight_ints, __builtin_ia32_pmaddwd256(low, ones));
  sums.hi += __builtin_bit_cast(eight_ints, __builtin_ia32_pmaddwd256(high, ones));
  return sums;
#elif defined(METTLE_PTX)
  for (uint i = 0; i < 16; i++) sums[i] = add_products<true>(a[i], b[i], sums[i]);
  return sums;
#else
  typedef uchar unsigned_bytes __attribute__((ext_vector_type(64)));
  typedef signed char signed_bytes __attribute__((ext_vector_type(64)));
  typedef short shorts __attribute__((ext_vector_type(64)));
  typedef short half_shorts __attribute__((ext_vector_type(32)));
  typedef int half_ints __attribute__((ext_vector_type(32)));
  const shorts products = __builtin_convertvector(__builtin_bit_cast(unsigned_bytes, a), shorts) *
                          __builtin_convertvector(__builtin_bit_cast(signed_bytes, b), shorts);
  const half_shorts pairs = products.even + products.odd;
  const half_ints wide = __builtin_convertvector(pairs, half_ints);
  return sums + wide.even + wide.odd;
#endif
}

}  // namespace mettle
