// simdgroup_matrix<T, 8, 8>: a matrix spread over the 32 lanes of a SIMD group, two elements a lane.
//
// Lane l holds the elements (row, column) and (row, column + 1), in the arrangement of Apple's GPUs:
//   row = (l / 4 & 4) + l / 2 % 4,   column = (l / 4 & 2) * 2 + l % 2 * 2
#pragma once

#include "collective.h"
#include "vec.h"

namespace metal {

template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "Metal has SIMD-group matrices of 8 x 8 only");
  static_assert(is_floating_point_v<T>, "SIMD-group matrices hold half, bfloat or float");

  using storage_type = vec<T, 2>;

  simdgroup_matrix() = default;
  // `diagonal` on the diagonal, zero elsewhere.
  METTLE_INLINE explicit simdgroup_matrix(T diagonal);

  METTLE_INLINE storage_type& thread_elements() { return elements_; }
  METTLE_INLINE const storage_type& thread_elements() const { return elements_; }

 private:
  storage_type elements_;
};

}  // namespace metal

namespace mettle {

METTLE_INLINE constexpr uint matrix_row(uint lane) { return (lane / 4 & 4) + lane / 2 % 4; }
METTLE_INLINE constexpr uint matrix_column(uint lane) { return (lane / 4 & 2) * 2 + lane % 2 * 2; }

// The calling lane's elements of the operands of D = A B + C, in the type that is accumulated in.
struct Fragments {
  float a[2], b[2], c[2];
};
struct Fragment {
  float d[2];
};

struct MultiplyAccumulate {
  static void apply(const Lanes<Fragments>& lanes, Fragment* results) {
    float a[8][8] = {}, b[8][8] = {}, d[8][8] = {};
    for (uint lane = 0; lane < simd_width; lane++) {
      if (!lanes.has(lane)) continue;
      const uint row = matrix_row(lane), column = matrix_column(lane);
      for (uint i = 0; i < 2; i++) {
        a[row][column + i] = lanes[lane].a[i];
        b[row][column + i] = lanes[lane].b[i];
        d[row][column + i] = lanes[lane].c[i];
      }
    }
    for (uint row = 0; row < 8; row++) {
      for (uint k = 0; k < 8; k++) {
        for (uint column = 0; column < 8; column++) d[row][column] += a[row][k] * b[k][column];
      }
    }
    for (uint lane = 0; lane < simd_width; lane++) {
      for (uint i = 0; i < 2; i++) results[lane].d[i] = d[matrix_row(lane)][matrix_column(lane) + i];
    }
  }
};

// The address offset of element (row, column) of a matrix whose rows are `stride` elements apart.
METTLE_INLINE constexpr ulong matrix_offset(uint row, uint column, ulong stride, metal::vec<ulong, 2> origin, bool transpose) {
  const ulong r = transpose ? column : row, c = transpose ? row : column;
  return (origin.get(1) + r) * stride + origin.get(0) + c;
}

}  // namespace mettle

namespace metal {

template <class T, int Columns, int Rows>
METTLE_INLINE simdgroup_matrix<T, Columns, Rows>::simdgroup_matrix(T diagonal) {
  const uint lane = mettle::lane_index();
  for (uint i = 0; i < 2; i++) {
    elements_[int(i)] = mettle::matrix_row(lane) == mettle::matrix_column(lane) + i ? diagonal : T(0);
  }
}

template <class T, int Columns = 8, int Rows = 8>
METTLE_INLINE simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, Columns, Rows> matrix;
  matrix.thread_elements() = vec<T, 2>(value);
  return matrix;
}

template <class T, int Columns = 8, int Rows = 8>
METTLE_INLINE simdgroup_matrix<T, Columns, Rows> make_diagonal_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, Columns, Rows>(value);
}

// `elements_per_row` is the distance between rows in memory; `matrix_origin` is (column, row) of the matrix within it.
template <class T, int Columns, int Rows>
METTLE_INLINE void simdgroup_load(simdgroup_matrix<T, Columns, Rows>& matrix, const T* source, ulong elements_per_row = Columns,
                                  vec<ulong, 2> matrix_origin = 0, bool transpose_matrix = false) {
  const uint lane = mettle::lane_index();
  for (uint i = 0; i < 2; i++) {
    matrix.thread_elements()[int(i)] = source[mettle::matrix_offset(
        mettle::matrix_row(lane), mettle::matrix_column(lane) + i, elements_per_row, matrix_origin, transpose_matrix)];
  }
}

template <class T, int Columns, int Rows>
METTLE_INLINE void simdgroup_store(simdgroup_matrix<T, Columns, Rows> matrix, T* destination, ulong elements_per_row = Columns,
                                   vec<ulong, 2> matrix_origin = 0, bool transpose_matrix = false) {
  const uint lane = mettle::lane_index();
  for (uint i = 0; i < 2; i++) {
    destination[mettle::matrix_offset(mettle::matrix_row(lane), mettle::matrix_column(lane) + i, elements_per_row, matrix_origin,
                                      transpose_matrix)] = matrix.thread_elements()[int(i)];
  }
}

// d = a * b + c, accumulated in float and rounded once.
template <class D, class A, class B, class C>
METTLE_INLINE void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b,
                                                 simdgroup_matrix<C, 8, 8> c, ulong site = METTLE_SITE) {
  mettle::Fragments operands;
  for (int i = 0; i < 2; i++) {
    operands.a[i] = float(a.thread_elements()[i]);
    operands.b[i] = float(b.thread_elements()[i]);
    operands.c[i] = float(c.thread_elements()[i]);
  }
  const mettle::Fragment result = mettle::collective<mettle::MultiplyAccumulate, mettle::Fragment>(site, operands);
  for (int i = 0; i < 2; i++) d.thread_elements()[i] = D(result.d[i]);
}

// d = a * b.
template <class D, class A, class B>
METTLE_INLINE void simdgroup_multiply(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b,
                                      ulong site = METTLE_SITE) {
  simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<D, 8, 8>(D(0)), site);
}

using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

}  // namespace metal
