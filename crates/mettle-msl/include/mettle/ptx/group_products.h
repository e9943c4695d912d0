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

#define METTLE_GROUP_PRODUCT(T, type)                                                    \
  template <>                                                                            \
  struct GroupProduct<T, 64> {                                                          \
    static METTLE_INLINE void add(float* d, ulong left, ulong right) {                   \
      asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " {" \
          "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
          "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, " \
          "%32, %33, 1, 1, 1, 0, 0;" \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), \
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), \
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), \
        "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]) \
        : "l"(left), "l"(right)); \
    } \
    static METTLE_INLINE void keep(float* d) { \
      asm volatile("" \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), \
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), \
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), \
        "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]) :: "memory"); \
    } \
  };
METTLE_GROUP_PRODUCT(half, "f16")
METTLE_GROUP_PRODUCT(bfloat, "bf16")
#undef METTLE_GROUP_PRODUCT

#define METTLE_GROUP_PRODUCT(T, type)                                                    \
  template <>                                                                            \
  struct GroupProduct<T, 128> {                                                          \
    static METTLE_INLINE void add(float* d, ulong left, ulong right) {                   \
      asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {" \
          "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
          "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
          "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
          "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, " \
          "%64, %65, 1, 1, 1, 0, 0;" \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), \
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), \
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), \
        "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), \
        "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), \
        "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), \
        "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), \
        "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]) \
        : "l"(left), "l"(right)); \
    } \
    static METTLE_INLINE void keep(float* d) { \
      asm volatile("" \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), \
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), \
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), \
        "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), \
        "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), \
        "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), \
        "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), \
        "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]) :: "memory"); \
    } \
  };
METTLE_GROUP_PRODUCT(half, "f16")
METTLE_GROUP_PRODUCT(bfloat, "bf16")
#undef METTLE_GROUP_PRODUCT

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
