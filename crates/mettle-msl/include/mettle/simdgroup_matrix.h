// simdgroup_matrix<T, 8, 8>: a matrix spread over the 32 lanes of a SIMD group, two elements a lane.
//
// Lane l holds the elements (row, column) and (row, column + 1), in the arrangement of Apple's GPUs:
//   row = (l / 4 & 4) + l / 2 % 4,   column = (l / 4 & 2) * 2 + l % 2 * 2
#pragma once

#include "collective.h"
#include "vec.h"

namespace mettle {

METTLE_INLINE constexpr uint matrix_row(uint lane) { return (lane / 4 & 4) + lane / 2 % 4; }
METTLE_INLINE constexpr uint matrix_column(uint lane) { return (lane / 4 & 2) * 2 + lane % 2 * 2; }

}  // namespace mettle

namespace metal {

template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "Metal has SIMD-group matrices of 8 x 8 only");
  static_assert(is_floating_point_v<T>, "SIMD-group matrices hold half, bfloat or float");

  using storage_type = vec<T, 2>;

  simdgroup_matrix() = default;
  // `diagonal` on the diagonal, zero elsewhere.
  METTLE_INLINE explicit simdgroup_matrix(T diagonal) {
    const uint lane = mettle::lane_index();
    const uint row = mettle::matrix_row(lane), column = mettle::matrix_column(lane);
    elements_ = storage_type(row == column ? diagonal : T(0), row == column + 1 ? diagonal : T(0));
  }

  METTLE_INLINE METTLE_THREAD storage_type& thread_elements() METTLE_THREAD { return elements_; }
  METTLE_INLINE const METTLE_THREAD storage_type& thread_elements() const METTLE_THREAD { return elements_; }

  // An operator takes no call site: lanes at different products written so are not told apart.
  METTLE_INLINE friend simdgroup_matrix operator*(const METTLE_THREAD simdgroup_matrix& a,
                                                  const METTLE_THREAD simdgroup_matrix& b) {
    simdgroup_matrix product;
    simdgroup_multiply(product, a, b);
    return product;
  }

 private:
  storage_type elements_;
};

using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

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

}  // namespace metal

namespace mettle {

// Where the calling lane's elements lie in memory: the first one and the distance to the second. Rows are `stride`
// elements apart (columns, when transposed), and the matrix begins at column origin.x of row origin.y.
struct MatrixPlace {
  ulong first, step;

  METTLE_INLINE MatrixPlace(ulong stride, metal::vec<ulong, 2> origin, bool transpose) {
    const uint lane = lane_index();
    const ulong row = matrix_row(lane), column = matrix_column(lane);
    first = origin.y * stride + origin.x + (transpose ? column * stride + row : row * stride + column);
    step = transpose ? stride : 1;
  }
};

// The calling lane's elements of the operands and of the result of D = A B + C, in the type that is accumulated in.
struct MatrixOperands {
  float a[2], b[2], c[2];
};
struct MatrixResult {
  float d[2];
};

}  // namespace mettle

#ifdef METTLE_PTX
#include "ptx/simdgroup_matrix.h"
#else

namespace mettle {

// Each element of D is c + a0 b0 + a1 b1 + ... + a7 b7, in this order. Lanes that do not take part count as zeros.
struct MultiplyAccumulate {
  static void apply(const Lanes<MatrixOperands>& lanes, MatrixResult* results) {
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

}  // namespace mettle

#endif  // METTLE_PTX

namespace metal {

// `elements_per_row` is the distance between rows in memory; `matrix_origin` is (column, row) of the matrix in it.
template <class T, int Columns, int Rows>
METTLE_INLINE void simdgroup_load(METTLE_THREAD simdgroup_matrix<T, Columns, Rows>& matrix,
                                  const mettle::identity_t<T>* source, ulong elements_per_row = Columns,
                                  vec<ulong, 2> matrix_origin = 0, bool transpose_matrix = false) {
  const mettle::MatrixPlace at(elements_per_row, matrix_origin, transpose_matrix);
  matrix.thread_elements() = vec<T, 2>(source[at.first], source[at.first + at.step]);
}

template <class T, int Columns, int Rows>
METTLE_INLINE void simdgroup_store(const METTLE_THREAD simdgroup_matrix<T, Columns, Rows>& matrix,
                                   mettle::identity_t<T>* destination, ulong elements_per_row = Columns,
                                   vec<ulong, 2> matrix_origin = 0, bool transpose_matrix = false) {
  const mettle::MatrixPlace at(elements_per_row, matrix_origin, transpose_matrix);
  destination[at.first] = matrix.thread_elements().x;
  destination[at.first + at.step] = matrix.thread_elements().y;
}

// d = a * b + c, accumulated in float and rounded once to the type of d.
template <class D, class A, class B, class C>
METTLE_INLINE void simdgroup_multiply_accumulate(METTLE_THREAD simdgroup_matrix<D, 8, 8>& d,
                                                 const METTLE_THREAD simdgroup_matrix<A, 8, 8>& a,
                                                 const METTLE_THREAD simdgroup_matrix<B, 8, 8>& b,
                                                 const METTLE_THREAD simdgroup_matrix<C, 8, 8>& c,
                                                 ulong site = mettle::call_site()) {
  const vec<A, 2> ea = a.thread_elements();
  const vec<B, 2> eb = b.thread_elements();
  const vec<C, 2> ec = c.thread_elements();
  const mettle::MatrixOperands operands = {
      {float(ea.x), float(ea.y)}, {float(eb.x), float(eb.y)}, {float(ec.x), float(ec.y)}};
  const auto result = mettle::collective<mettle::MultiplyAccumulate, mettle::MatrixResult>(site, operands);
  d.thread_elements() = vec<D, 2>(D(result.d[0]), D(result.d[1]));
}

// d = a * b.
template <class D, class A, class B>
METTLE_INLINE void simdgroup_multiply(METTLE_THREAD simdgroup_matrix<D, 8, 8>& d,
                                      const METTLE_THREAD simdgroup_matrix<A, 8, 8>& a,
                                      const METTLE_THREAD simdgroup_matrix<B, 8, 8>& b,
                                      ulong site = mettle::call_site()) {
  simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<D, 8, 8>(D(0)), site);
}

}  // namespace metal
