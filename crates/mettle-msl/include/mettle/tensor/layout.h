// How the elements of a matrix are dealt to the threads that hold it together.
//
// A matrix is cut into fragments of 16 x 16, counted row by row; parts beyond the matrix are no valid elements. A
// fragment lies on the 32 lanes of one SIMD group, 8 elements a lane: lane l holds, as its elements 0 to 3, four
// neighbours in row
//   (l / 4 & 4) + l / 2 % 4,   from column ((l / 4 & 2) + l % 2) * 4,
// and as its elements 4 to 7 the same columns eight rows below. That is the arrangement of Apple's GPUs, which kernels
// that fill fragments by hand count on.
//
// Where several SIMD groups hold a matrix, group g of n has the fragments g, g + n, g + 2 n and so on.
#pragma once

#include "../collective.h"

namespace mettle {

constexpr int fragment_size = 16;
constexpr int fragment_elements = 8;

METTLE_INLINE constexpr int fragments_in(int size) { return (size + fragment_size - 1) / fragment_size; }

// A place in a matrix.
struct Place {
  int row, column;
};

// Which of the threads that share a matrix the calling one is.
struct Holder {
  ushort lane, group;

  METTLE_INLINE static Holder calling(uint groups) {
#ifdef METTLE_PTX
    const uint thread = thread_index();
#else
    const uint thread = mettle_hooks->thread_index();
#endif
    return {ushort(thread % simd_width), ushort(thread / simd_width % groups)};
  }
};

// The place of element `i` of a lane within its fragment.
METTLE_INLINE constexpr Place in_fragment(uint lane, int i) {
  const int row = int((lane / 4 & 4) + lane / 2 % 4);
  const int column = int((lane / 4 & 2) + lane % 2) * 4;
  return {row + i / 4 * 8, column + i % 4};
}

// A matrix on `Groups` SIMD groups.
template <int Rows, int Columns, int Groups>
struct MatrixLayout {
  static_assert(Rows > 0 && Columns > 0, "a cooperative tensor has sizes that are known when compiling");

  static constexpr int rank = 2, rows = Rows, columns = Columns, groups = Groups;
  static constexpr int fragment_rows = fragments_in(Rows), fragment_columns = fragments_in(Columns);
  static constexpr int fragments = fragment_rows * fragment_columns;
  static constexpr int capacity = (fragments + Groups - 1) / Groups * fragment_elements;

  METTLE_INLINE static constexpr Place place(Holder holder, int i) {
    const int fragment = i / fragment_elements * Groups + holder.group;
    const Place at = in_fragment(holder.lane, i % fragment_elements);
    return {fragment / fragment_columns * fragment_size + at.row,
            fragment % fragment_columns * fragment_size + at.column};
  }
  METTLE_INLINE static constexpr bool holds(Holder holder, int i) {
    const Place at = place(holder, i);
    return at.row < Rows && at.column < Columns;
  }
};

// A matrix that one thread holds alone, row by row.
template <int Rows, int Columns>
struct MatrixLayout<Rows, Columns, 0> {
  static_assert(Rows > 0 && Columns > 0, "a cooperative tensor has sizes that are known when compiling");

  static constexpr int rank = 2, rows = Rows, columns = Columns, groups = 0;
  static constexpr int capacity = Rows * Columns;

  METTLE_INLINE static constexpr Place place(Holder, int i) { return {i / Columns, i % Columns}; }
  METTLE_INLINE static constexpr bool holds(Holder, int) { return true; }
};

// One value for each row of a matrix on one SIMD group. A lane has the values of the rows it has elements of, so each
// value is there four times.
template <class Matrix>
struct RowLayout {
  static_assert(Matrix::groups == 1, "rows are reduced within one SIMD group");

  static constexpr int rank = 1;
  static constexpr int capacity = Matrix::fragment_rows * 2;

  METTLE_INLINE static constexpr Place place(Holder holder, int i) {
    return {i / 2 * fragment_size + in_fragment(holder.lane, i % 2 * 4).row, 0};
  }
  METTLE_INLINE static constexpr bool holds(Holder holder, int i) { return place(holder, i).row < Matrix::rows; }
  // The element that goes with element `i` of the matrix.
  METTLE_INLINE static constexpr int of(int i) {
    return i / fragment_elements / Matrix::fragment_columns * 2 + i % fragment_elements / 4;
  }
};

// One value for each column; each is there eight times.
template <class Matrix>
struct ColumnLayout {
  static_assert(Matrix::groups == 1, "columns are reduced within one SIMD group");

  static constexpr int rank = 1;
  static constexpr int capacity = Matrix::fragment_columns * 4;

  METTLE_INLINE static constexpr Place place(Holder holder, int i) {
    return {0, i / 4 * fragment_size + in_fragment(holder.lane, i % 4).column};
  }
  METTLE_INLINE static constexpr bool holds(Holder holder, int i) { return place(holder, i).column < Matrix::columns; }
  METTLE_INLINE static constexpr int of(int i) {
    return i / fragment_elements % Matrix::fragment_columns * 4 + i % 4;
  }
};

// Whether an element of a tensor of layout `To` goes with each element of one of layout `From`.
template <class From, class To>
inline constexpr bool maps_to = metal::is_same_v<From, To>;
template <class Matrix>
inline constexpr bool maps_to<Matrix, RowLayout<Matrix>> = true;
template <class Matrix>
inline constexpr bool maps_to<Matrix, ColumnLayout<Matrix>> = true;

}  // namespace mettle
