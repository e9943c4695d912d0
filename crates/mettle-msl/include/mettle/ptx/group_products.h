// Products of tiles in shared memory by the four warps of a group together: wgmma.mma_async of compute capability 9.0 (PTX ISA, "Asynchronous
// Warpgroup Level Matrix Instructions").
#pragma once

#include "fragment.h"

namespace mettle {

// Writes to shared memory so far are seen by what reads operands from there.
METTLE_INLINE void publish_operands() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Describes rows of 64 bytes from an address on, a multiple of 32 bytes within eight rows that begin at a multiple of 512, with their chunks exchanged as
// `ExchangedChunks` has them, which is the 64-byte swizzle: the address, 512 bytes from eight rows to the next eight, and the kind of swizzle.
METTLE_INLINE ulong operand_at(uint address) {
  return ulong((address & 0x3ffff) >> 4) | ulong(1) << 16 | ulong(512 >> 4) << 32 | ulong(2) << 62;
}

// d += 64 rows times N columns of operands, sixteen values of each, of which lane l of warp w gets rows 16 w + l / 4 and eight below: of each eight
// columns columns 2 (l % 4) and the next.
template <class T, uint N>
struct GroupProduct;

// Operands of an instruction, from d[i] on.
#define METTLE_SUMS_8(d, i) \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define METTLE_SUMS_32(d, i) METTLE_SUMS_8(d, i), METTLE_SUMS_8(d, i + 8), METTLE_SUMS_8(d, i + 16), METTLE_SUMS_8(d, i + 24)
#define METTLE_SUMS_64(d, i) METTLE_SUMS_32(d, i), METTLE_SUMS_32(d, i + 32)

// `names` are those of the `sums` operands, `descriptors` of the two behind them.
#define METTLE_GROUP_PRODUCT(T, type, n, sums, names, descriptors)                                                     \
  template <>                                                                                                          \
  struct GroupProduct<T, n> {                                                                                          \
    static METTLE_INLINE void add(float* d, ulong left, ulong right) {                                                 \
      asm volatile("wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type " {" names "}, " descriptors        \
                   ", 1, 1, 1, 0, 0;"                                                                                  \
                   : sums(d, 0)                                                                                        \
                   : "l"(left), "l"(right));                                                                           \
    }                                                                                                                  \
    static METTLE_INLINE void keep(float* d) { asm volatile("" : sums(d, 0)::"memory"); }                              \
  };
#define METTLE_NAMES_32                                                                                                \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                            \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define METTLE_NAMES_64                                                                                                \
  METTLE_NAMES_32 ", "                                                                                                 \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                                 \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
METTLE_GROUP_PRODUCT(half, "f16", 64, METTLE_SUMS_32, METTLE_NAMES_32, "%32, %33")
METTLE_GROUP_PRODUCT(bfloat, "bf16", 64, METTLE_SUMS_32, METTLE_NAMES_32, "%32, %33")
METTLE_GROUP_PRODUCT(half, "f16", 128, METTLE_SUMS_64, METTLE_NAMES_64, "%64, %65")
METTLE_GROUP_PRODUCT(bfloat, "bf16", 128, METTLE_SUMS_64, METTLE_NAMES_64, "%64, %65")
#undef METTLE_GROUP_PRODUCT
#undef METTLE_NAMES_64
#undef METTLE_NAMES_32
#undef METTLE_SUMS_64
#undef METTLE_SUMS_32
#undef METTLE_SUMS_8

// The sums of ROWS x COLUMNS products of tiles by a group of four warps.
template <class T, uint ROWS, uint COLUMNS>
struct GroupProducts {
  static constexpr bool asynchronous = true;
  static constexpr uint LEFT = ROWS / 64;
  static constexpr uint RIGHT = COLUMNS / 16;
  SumFragment sums[LEFT][RIGHT];

  METTLE_INLINE void zero() {
    for (auto& row : sums) {
      for (auto& sum : row) mettle::clear(sum);
    }
  }

  // Where the fragments of a warp lie.
  static METTLE_INLINE uint row(uint i, uint warp) { return 64 * i + 16 * warp; }
  static METTLE_INLINE uint column(uint j, uint) { return 16 * j; }

  // Begins to add the products of two tiles of 32 columns, whose values all threads have published before a barrier.
  METTLE_INLINE void begin(const T* left, const T* right, uint) {
    const uint at_left = uint(ulong((__attribute__((address_space(3))) const T*)left));
    const uint at_right = uint(ulong((__attribute__((address_space(3))) const T*)right));
    keep();
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (uint k = 0; k < 2; ++k) {
#pragma unroll
      for (uint i = 0; i < LEFT; ++i) {
        GroupProduct<T, COLUMNS>::add(sums[i][0].value, operand_at(at_left + 4096 * i + 32 * k), operand_at(at_right + 32 * k));
      }
    }
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  }

  // Waits until they are added.
  METTLE_INLINE void end() {
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    keep();
  }

  METTLE_INLINE void keep() {
#pragma unroll
    for (uint i = 0; i < LEFT; ++i) GroupProduct<T, COLUMNS>::keep(sums[i][0].value);
  }
};

}  // namespace mettle
