// Fragments of matrices on a warp: the operands of the tensor cores' mma.sync.aligned.m16n8k16 (PTX ISA, "Matrix Fragments for
// mma.m16n8k16 with floating point type").
#pragma once

#include "collective.h"

namespace mettle {

// 16 rows of 16 halves or bfloats: four blocks of 8 x 8, of which lane l holds columns 2 (l % 4) and the next of row l / 4 in
// a word. In a left operand the two blocks above each other come first; in a right one, whose rows are the columns of the
// matrix it stands for, the two beside each other, which are one operand of the instruction.
template <class T>
struct MatrixFragment {
  uint word[4];
};

// 16 x 16 sums. Values 4 j to 4 j + 3 of lane l are columns 8 j + 2 (l % 4) and the next of row l / 4, then of row
// l / 4 + 8.
struct SumFragment {
  float value[8];
};

// 16 x 8 sums, which lie as the first four values of those.
struct NarrowSums {
  float value[4];
};

// How rows of four chunks of eight 16-bit values lie in shared memory: one after the other, two rows to 128 bytes, with the
// chunks of a row exchanged such that the same chunk of eight rows touches all 32 banks.
struct ExchangedChunks {
  METTLE_INLINE static constexpr uint place(uint, uint row, uint chunk) {
    return row * 32 + (chunk ^ row / 2 % 4) * 8;
  }
  METTLE_INLINE static constexpr uint slot(uint, uint first, uint, uint i) { return first * 32 + i * 8; }
};

// Loads four blocks; lanes 8 i to 8 i + 7 give the places of the rows of block i.
template <class T>
METTLE_INLINE void load_blocks(MatrixFragment<T>& fragment, const T* tile, uint rows, uint row, uint chunk) {
  const auto from = (__attribute__((address_space(3))) const T*)(tile + ExchangedChunks::place(rows, row, chunk));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment.word[0]), "=r"(fragment.word[1]), "=r"(fragment.word[2]), "=r"(fragment.word[3])
               : "r"(uint(ulong(from)))
               : "memory");
}

template <class T>
METTLE_INLINE void load_left(MatrixFragment<T>& fragment, const T* tile, uint rows, uint row, uint chunk) {
  const uint lane = lane_index();
  load_blocks(fragment, tile, rows, row + lane % 16, chunk + lane / 16);
}

template <class T>
METTLE_INLINE void load_right(MatrixFragment<T>& fragment, const T* tile, uint rows, uint row, uint chunk) {
  const uint lane = lane_index();
  load_blocks(fragment, tile, rows, row + lane / 16 * 8 + lane % 8, chunk + lane / 8 % 2);
}

// A right operand of a tile whose rows are its rows: each block is transposed on its way.
template <class T>
METTLE_INLINE void load_right_by_rows(MatrixFragment<T>& fragment, const T* tile, uint rows, uint row, uint chunk) {
  const uint lane = lane_index();
  const T* place = tile + ExchangedChunks::place(rows, row + lane % 16, chunk + lane / 16);
  const auto from = (__attribute__((address_space(3))) const T*)place;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment.word[0]), "=r"(fragment.word[1]), "=r"(fragment.word[2]), "=r"(fragment.word[3])
               : "r"(uint(ulong(from)))
               : "memory");
}

template <class Sums>
METTLE_INLINE void clear(Sums& sums) {
  for (float& value : sums.value) value = 0;
}

#define METTLE_MMA(T, type)                                                                                         \
  METTLE_INLINE void mma(float* d, const MatrixFragment<T>& left, uint right0, uint right1) {                       \
    asm("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, " \
        "{%0, %1, %2, %3};"                                                                                         \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                            \
        : "r"(left.word[0]), "r"(left.word[1]), "r"(left.word[2]), "r"(left.word[3]), "r"(right0), "r"(right1));    \
  }
METTLE_MMA(half, "f16")
METTLE_MMA(bfloat, "bf16")
#undef METTLE_MMA

// sums += left times the transpose of right.
template <class T>
METTLE_INLINE void multiply_accumulate(SumFragment& sums, const MatrixFragment<T>& left,
                                       const MatrixFragment<T>& right) {
  mma(sums.value, left, right.word[0], right.word[1]);
  mma(sums.value + 4, left, right.word[2], right.word[3]);
}

// sums += left times the transpose of the first eight rows of right, and of the others.
template <class T>
METTLE_INLINE void multiply_accumulate(NarrowSums& sums, const MatrixFragment<T>& left, const MatrixFragment<T>& right) {
  mma(sums.value, left, right.word[0], right.word[1]);
  mma(sums.value, left, right.word[2], right.word[3]);
}

// out[r * stride + c] = scale[r] * sums[r, c] for r < rows and c < columns. No memory of the threadgroup is needed.
METTLE_INLINE void store(const SumFragment& sums, float* out, ulong stride, const float* scale, uint rows, uint columns,
                         float*, uint) {
  typedef float Pair __attribute__((ext_vector_type(2)));
  const bool pairs = stride % 2 == 0 && ulong(out) % sizeof(Pair) == 0;
  for (uint i = 0; i < 8; i += 2) {
    const uint row = lane_index() / 4 + i % 4 * 4;
    const uint column = i / 4 * 8 + lane_index() % 4 * 2;
    if (row >= rows || column >= columns) continue;
    const float factor = scale[row];
    const Pair pair = {factor * sums.value[i], factor * sums.value[i + 1]};
    float* at = out + row * stride + column;
    if (pairs && column + 1 < columns) {
      *reinterpret_cast<Pair*>(at) = pair;
      continue;
    }
    at[0] = pair.x;
    if (column + 1 < columns) at[1] = pair.y;
  }
}

}  // namespace mettle
