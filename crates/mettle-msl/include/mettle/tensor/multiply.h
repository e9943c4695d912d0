// The product of two matrices, for all lanes of a SIMD group at once, fragment by fragment.
#pragma once

#include "cooperative_tensor.h"

namespace mpp::tensor_ops {

// An m x n result of an m x k and a k x n operand; dynamic_extent means the size is read from the operands. A transposed
// operand is stored as k x m or n x k. Results are always as exact as without `relaxed_precision`.
struct matmul2d_descriptor {
  enum class mode { multiply, multiply_accumulate };

  int m, n, k;
  bool transpose_left, transpose_right;
  bool relaxed_precision;
  mode matmul_mode;

  METTLE_INLINE constexpr matmul2d_descriptor(int m, int n, int k = int(metal::dynamic_extent),
                                              bool transpose_left = false, bool transpose_right = false,
                                              bool relaxed_precision = false, mode matmul_mode = mode::multiply)
      : m(m),
        n(n),
        k(k),
        transpose_left(transpose_left),
        transpose_right(transpose_right),
        relaxed_precision(relaxed_precision),
        matmul_mode(matmul_mode) {}
};

}  // namespace mpp::tensor_ops

namespace mettle {

// What one lane brings to a product.
struct ProductOperands {
  const void* left;
  const void* right;
  const void* destination;
  uint group;
};

template <class T>
inline constexpr bool is_8bit = metal::is_same_v<T, char> || metal::is_same_v<T, int8_t> || metal::is_same_v<T, uchar>;
template <class T>
inline constexpr bool is_multiplied = metal::is_same_v<T, float> || metal::is_same_v<T, half> || is_bfloat<T> || is_8bit<T>;

template <class Sum>
using Fragment = Sum[fragment_size][fragment_size];

// The rows from `row` and columns from `column` of an operand, as stored; 0 beyond it and beyond `rows` x `columns`.
// `lanes` leads from a lane to its operand; those of a tensor in memory are all the same.
template <class Sum, class T, class E, class... D, class Operands>
void fetch(Fragment<Sum>& to, const metal::tensor<T, E, D...>& from, const Operands&, int row, int column, int rows,
           int columns) {
  const int end_row = from.get_extent(1) < rows ? from.get_extent(1) : rows;
  const int end_column = from.get_extent(0) < columns ? from.get_extent(0) : columns;
  for (int r = 0; r < fragment_size; r++) {
    for (int c = 0; c < fragment_size; c++) {
      to[r][c] = row + r < end_row && column + c < end_column ? Sum(from[column + c, row + r]) : Sum(0);
    }
  }
}
template <class Sum, class T, class E, class Layout, class Operands>
void fetch(Fragment<Sum>& to, const metal::cooperative_tensor<T, E, Layout>& from, const Operands& operands, int row,
           int column, int rows, int columns) {
  for (int r = 0; r < fragment_size; r++) {
    for (int c = 0; c < fragment_size; c++) to[r][c] = Sum(0);
  }
  if constexpr (Layout::groups == 0) {
    for (int r = row; r < row + fragment_size && r < Layout::rows; r++) {
      for (int c = column; c < column + fragment_size && c < Layout::columns; c++) {
        to[r - row][c - column] = Sum(from[r * Layout::columns + c]);
      }
    }
  } else {
    const int fragment = row / fragment_size * Layout::fragment_columns + column / fragment_size;
    const int first = fragment / Layout::groups * fragment_elements;
    for (uint lane = 0; lane < simd_width; lane++) {
      if (!operands.has(lane)) continue;
      const auto& own = operands.of(lane, from);
      for (int i = 0; i < fragment_elements; i++) {
        const Place at = in_fragment(lane, i);
        if (row + at.row < rows && column + at.column < columns) to[at.row][at.column] = Sum(own[first + i]);
      }
    }
  }
}

// Puts a fragment of the result where it belongs.
template <class Sum, class T, class E, class... D, class Operands>
void put(const Fragment<Sum>& from, const metal::tensor<T, E, D...>& to, const Operands&, int row, int column, int rows,
         int columns) {
  const int end_row = to.get_extent(1) < rows ? to.get_extent(1) : rows;
  const int end_column = to.get_extent(0) < columns ? to.get_extent(0) : columns;
  for (int r = 0; r < fragment_size && row + r < end_row; r++) {
    for (int c = 0; c < fragment_size && column + c < end_column; c++) to[column + c, row + r] = T(from[r][c]);
  }
}
template <class Sum, class T, class E, class Layout, class Operands>
void put(const Fragment<Sum>& from, const metal::cooperative_tensor<T, E, Layout>& to, const Operands& operands,
         int row, int column, int, int) {
  if constexpr (Layout::groups == 0) {
    auto& own = operands.of(0, to);
    for (int r = row; r < row + fragment_size && r < Layout::rows; r++) {
      for (int c = column; c < column + fragment_size && c < Layout::columns; c++) {
        own[r * Layout::columns + c] = T(from[r - row][c - column]);
      }
    }
  } else {
    const int fragment = row / fragment_size * Layout::fragment_columns + column / fragment_size;
    const int first = fragment / Layout::groups * fragment_elements;
    for (uint lane = 0; lane < simd_width; lane++) {
      if (!operands.has(lane)) continue;
      auto& own = operands.of(lane, to);
      for (int i = 0; i < fragment_elements; i++) {
        const Place at = in_fragment(lane, i);
        own[first + i] = T(from[at.row][at.column]);
      }
    }
  }
}

// From a lane to its operand at one of the places in ProductOperands.
template <const void* ProductOperands::*Member>
struct OperandsOf {
  const void* const* in;
  uint active;

  METTLE_INLINE bool has(uint lane) const { return (active >> lane & 1u) != 0; }
  template <class Tensor>
  METTLE_INLINE Tensor& of(uint lane, const Tensor&) const {
    return *static_cast<Tensor*>(const_cast<void*>(static_cast<const ProductOperands*>(in[lane])->*Member));
  }
};

// `Groups` SIMD groups share the result; 0 means that one thread computes alone.
template <mpp::tensor_ops::matmul2d_descriptor D, int Groups, class Left, class Right, class Destination>
struct Multiply {
  static_assert((is_tensor<Left> || is_cooperative<Left>) && (is_tensor<Right> || is_cooperative<Right>) &&
                    (is_tensor<Destination> || is_cooperative<Destination>),
                "the operands and the result of a product are tensors");
  using A = metal::remove_cv_t<typename Left::element_type>;
  using B = metal::remove_cv_t<typename Right::element_type>;
  using C = typename Destination::element_type;
  static_assert(is_multiplied<A> && is_multiplied<B>, "a product has operands of float, half, bfloat and 8-bit integers");
  static_assert(metal::is_same_v<C, int> ? is_8bit<A> && is_8bit<B> : is_multiplied<C> && !is_8bit<C>,
                "a product gives float, half or bfloat; one of 8-bit integers may give int");
  static_assert(Groups < 2 || (!is_cooperative<Left> && !is_cooperative<Right>),
                "operands lie in memory where several SIMD groups multiply together");
  static_assert(Left::extents_type::rank() == 2 && Right::extents_type::rank() == 2 &&
                    Destination::extents_type::rank() == 2,
                "the operands and the result of a product have two dimensions");

  using Sum = metal::conditional_t<metal::is_same_v<C, int>, int, float>;
  static constexpr bool accumulates = D.matmul_mode == mpp::tensor_ops::matmul2d_descriptor::mode::multiply_accumulate;

  // The size of a dimension of a tensor in memory; a cooperative one has the size that the descriptor gives.
  template <class Tensor>
  METTLE_INLINE static int size(const Tensor& t, int dimension, int otherwise) {
    if constexpr (is_tensor<Tensor>) {
      return int(t.get_extent(uint(dimension)));
    } else {
      return otherwise;
    }
  }

  // The sizes of the product: m x n results of k products each.
  struct Sizes {
    int m, n, k;

    METTLE_INLINE Sizes(const Left& left, const Right& right) {
      m = D.m < 0 ? size(left, D.transpose_left ? 0 : 1, 0) : D.m;
      n = D.n < 0 ? size(right, D.transpose_right ? 1 : 0, 0) : D.n;
      const int inner = size(left, D.transpose_left ? 1 : 0, D.k);
      k = D.k < 0 || inner < D.k ? inner : D.k;
    }
  };

#ifdef METTLE_PTX
  // The elements of the result that the calling lane holds, or would hold, computed by it alone.
  template <class To>
  static void compute_own(Holder holder, const Left& left, const Right& right, To& to) {
    static_assert(is_tensor<Left> && is_tensor<Right>,
                  "on NVIDIA GPUs the operands of a product that several threads compute lie in memory");
    const Sizes sizes(left, right);
    const int columns = fragments_in(sizes.n);
    const int count = fragments_in(sizes.m) * columns;
    for (int fragment = holder.group; fragment < count; fragment += Groups) {
      for (int i = 0; i < fragment_elements; i++) {
        const Place at = in_fragment(holder.lane, i);
        const int row = fragment / columns * fragment_size + at.row;
        const int column = fragment % columns * fragment_size + at.column;
        if (row >= sizes.m || column >= sizes.n) continue;
        if constexpr (is_tensor<Destination>) {
          if (row >= size(to, 1, 0) || column >= size(to, 0, 0)) continue;
          to[column, row] = C(element(left, right, sizes.k, row, column, accumulates ? Sum(to[column, row]) : Sum(0)));
        } else {
          auto& own = to[ushort(fragment / Groups * fragment_elements + i)];
          own = C(element(left, right, sizes.k, row, column, accumulates ? Sum(own) : Sum(0)));
        }
      }
    }
  }

  METTLE_INLINE static Sum element(const Left& left, const Right& right, int k, int row, int column, Sum sum) {
    for (int at = 0; at < k; at++) {
      const auto a = D.transpose_left ? left.load(row, at) : left.load(at, row);
      const auto b = D.transpose_right ? right.load(at, column) : right.load(column, at);
      sum += Sum(a) * Sum(b);
    }
    return sum;
  }
#endif

  static void combine(const void* const* in, void* const*, uint active) {
    const OperandsOf<&ProductOperands::left> lefts{in, active};
    const OperandsOf<&ProductOperands::right> rights{in, active};
    const OperandsOf<&ProductOperands::destination> destinations{in, active};
    const uint first = uint(__builtin_ctz(active));
    const Left& left = *static_cast<const Left*>(static_cast<const ProductOperands*>(in[first])->left);
    const Right& right = *static_cast<const Right*>(static_cast<const ProductOperands*>(in[first])->right);
    const Destination& to =
        *static_cast<const Destination*>(static_cast<const ProductOperands*>(in[first])->destination);
    const uint group = static_cast<const ProductOperands*>(in[first])->group;

    const auto [m, n, k] = Sizes(left, right);
    const int columns = fragments_in(n);
    const int count = fragments_in(m) * columns;
    for (int fragment = int(group); fragment < count; fragment += Groups > 0 ? Groups : 1) {
      const int row = fragment / columns * fragment_size, column = fragment % columns * fragment_size;
      // Nothing of it is asked for.
      if (row >= size(to, 1, m) || column >= size(to, 0, n)) continue;
      Fragment<Sum> sum = {};
      if constexpr (accumulates) fetch<Sum>(sum, to, destinations, row, column, m, n);
      for (int at = 0; at < k; at += fragment_size) {
        Fragment<Sum> a, b;
        if constexpr (D.transpose_left) {
          fetch<Sum>(a, left, lefts, at, row, k, m);
        } else {
          fetch<Sum>(a, left, lefts, row, at, m, k);
        }
        if constexpr (D.transpose_right) {
          fetch<Sum>(b, right, rights, column, at, n, k);
        } else {
          fetch<Sum>(b, right, rights, at, column, k, n);
        }
        multiply(sum, a, b);
      }
      put<Sum>(sum, to, destinations, row, column, m, n);
    }
  }

  METTLE_INLINE static void multiply(Fragment<Sum>& sum, const Fragment<Sum>& a, const Fragment<Sum>& b) {
    Fragment<Sum> right;
    for (int k = 0; k < fragment_size; k++) {
      for (int c = 0; c < fragment_size; c++) right[k][c] = D.transpose_right ? b[c][k] : b[k][c];
    }
    for (int r = 0; r < fragment_size; r++) {
      for (int k = 0; k < fragment_size; k++) {
        const Sum factor = D.transpose_left ? a[k][r] : a[r][k];
        for (int c = 0; c < fragment_size; c++) sum[r][c] += factor * right[k][c];
      }
    }
  }
};

}  // namespace mettle
