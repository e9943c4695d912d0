// matmul2d: a product of matrices that the threads of an execution scope compute together.
//
// On the CPU device the threads of a SIMD group meet in one collective, and the last one to arrive computes for all. The
// SIMD groups of execution_simdgroups<N> do not wait for each other: each one computes the fragments of the result that
// are its own (layout.h) from the whole operands. So, as on a GPU, barriers must stand between a product and what other
// SIMD groups wrote before it or read after it.
//
// On NVIDIA GPUs each thread computes the elements that are its own by itself, without tensor cores.
//
// Products are added up in float, in the order of the inner dimension, and rounded once at the end; those of 8-bit
// integers with an integer result in int.
#pragma once

#include "multiply.h"

namespace metal {

struct execution_thread {};
struct execution_simdgroup {};
template <int Groups>
struct execution_simdgroups {
  static_assert(Groups > 0, "an execution scope has at least one SIMD group");
};

}  // namespace metal

namespace mettle {

// The number of SIMD groups of an execution scope; 0 for a single thread.
template <class Scope>
inline constexpr int groups_of = -1;
template <>
inline constexpr int groups_of<metal::execution_thread> = 0;
template <>
inline constexpr int groups_of<metal::execution_simdgroup> = 1;
template <int Groups>
inline constexpr int groups_of<metal::execution_simdgroups<Groups>> = Groups;

}  // namespace mettle

namespace mpp::tensor_ops {

template <matmul2d_descriptor Descriptor, class Scope, class... Arguments>
class matmul2d {
  static constexpr int groups = mettle::groups_of<Scope>;
  static_assert(groups >= 0, "the scope of a product is execution_thread, execution_simdgroup or execution_simdgroups");

  template <class Element, class Coordinate, int Rows, int Columns>
  using matrix =
      metal::cooperative_tensor<Element, metal::extents<Coordinate, size_t(Columns), size_t(Rows)>,
                                mettle::MatrixLayout<Rows, Columns, groups>>;
  template <class Element, class Coordinate, template <class> class Layout, int Size>
  using reduced = metal::cooperative_tensor<Element, metal::extents<Coordinate, size_t(Size)>,
                                            Layout<mettle::MatrixLayout<Descriptor.m, Descriptor.n, groups>>>;

 public:
  static constexpr matmul2d_descriptor descriptor = Descriptor;
  using scope = Scope;

  template <class Left, class Right, class Element, class Coordinate = int, class... More>
  using cooperative_tensor_left_input_t =
      matrix<Left, Coordinate, Descriptor.transpose_left ? Descriptor.k : Descriptor.m,
             Descriptor.transpose_left ? Descriptor.m : Descriptor.k>;
  template <class Left, class Right, class Element, class Coordinate = int, class... More>
  using cooperative_tensor_right_input_t =
      matrix<Right, Coordinate, Descriptor.transpose_right ? Descriptor.n : Descriptor.k,
             Descriptor.transpose_right ? Descriptor.k : Descriptor.n>;
  template <class Left, class Right, class Element, class Coordinate = int, class... More>
  using cooperative_tensor_destination_t = matrix<Element, Coordinate, Descriptor.m, Descriptor.n>;
  template <class Left, class Right, class Element, class Coordinate = int, class... More>
  using cooperative_tensor_row_reduction_destination_t = reduced<Element, Coordinate, mettle::RowLayout, Descriptor.m>;
  template <class Left, class Right, class Element, class Coordinate = int, class... More>
  using cooperative_tensor_column_reduction_destination_t =
      reduced<Element, Coordinate, mettle::ColumnLayout, Descriptor.n>;

  // Empty operands and results. An input has the shape in which it is stored, before it is transposed. Of the template
  // arguments the inputs name the types of elements, the results those of the operands.
#define METTLE_COOPERATIVE_TENSOR(name)                                                                    \
  template <class Left, class Right, class Element, class Coordinate = int, class... More>                 \
  METTLE_INLINE cooperative_tensor_##name##_t<Left, Right, Element, Coordinate, More...>                   \
      get_##name##_cooperative_tensor() const {                                                            \
    return cooperative_tensor_##name##_t<Left, Right, Element, Coordinate, More...>(holder());             \
  }
  METTLE_COOPERATIVE_TENSOR(left_input)
  METTLE_COOPERATIVE_TENSOR(right_input)
  METTLE_COOPERATIVE_TENSOR(destination)
  METTLE_COOPERATIVE_TENSOR(row_reduction_destination)
  METTLE_COOPERATIVE_TENSOR(column_reduction_destination)
#undef METTLE_COOPERATIVE_TENSOR

  // destination = left * right, or destination += left * right. Operands are tensors in memory or cooperative ones, the
  // latter within one SIMD group only.
  template <class Left, class Right, class Destination>
  METTLE_INLINE void run(Left& left, Right& right, Destination& destination,
                         ulong site = mettle::call_site()) const {
    using Multiply = mettle::Multiply<Descriptor, groups, metal::remove_const_t<Left>, metal::remove_const_t<Right>,
                                      metal::remove_const_t<Destination>>;
    if constexpr (groups == 0) {
      const mettle::ProductOperands operands = {&left, &right, &destination, holder().group};
      const void* const alone = &operands;
      Multiply::combine(&alone, nullptr, 1);
    } else {
#ifdef METTLE_PTX
      Multiply::compute_own(holder(), left, right, destination);
#else
      const mettle::ProductOperands operands = {&left, &right, &destination, holder().group};
      [[clang::nomerge]] mettle::wait(site, &Multiply::combine, &operands, nullptr);
#endif
    }
  }

 private:
  METTLE_INLINE static mettle::Holder holder() {
    if constexpr (groups == 0) {
      return {0, 0};
    } else {
      return mettle::Holder::calling(groups);
    }
  }
};

}  // namespace mpp::tensor_ops
