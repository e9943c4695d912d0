// Reductions of the rows or columns of a matrix that one SIMD group holds.
#pragma once

#include "matmul.h"

namespace mpp::tensor_ops {

enum class reduction_operation { sum, max, min };

}  // namespace mpp::tensor_ops

namespace mettle {

// What one lane brings to a reduction.
template <class T>
struct ReductionOperands {
  const void* source;
  void* destination;
  T identity;
  mpp::tensor_ops::reduction_operation operation;
};

// Each value of `Destination` becomes the fold of the elements it stands for, in an order that is always the same.
template <class T, class Source, class Destination, bool Rows>
struct Reduction {
  using Matrix = typename Source::layout;
  static_assert(Matrix::groups == 1, "a matrix is reduced within one SIMD group");
  static_assert(maps_to<Matrix, typename Destination::layout>,
                "the result of a reduction comes from get_row_reduction_ or get_column_reduction_destination_"
                "cooperative_tensor of the same product");

  METTLE_INLINE static T fold(mpp::tensor_ops::reduction_operation operation, T a, T b) {
    switch (operation) {
      case mpp::tensor_ops::reduction_operation::sum: return T(a + b);
      case mpp::tensor_ops::reduction_operation::max: return b > a ? b : a;
      default: return b < a ? b : a;
    }
  }

  static void combine(const void* const* in, void* const*, uint active) {
    constexpr int size = Rows ? Matrix::rows : Matrix::columns;
    const auto operands = [&](uint lane) { return static_cast<const ReductionOperands<T>*>(in[lane]); };
    const ReductionOperands<T>& any = *operands(uint(__builtin_ctz(active)));
    T results[size];
    for (int i = 0; i < size; i++) results[i] = any.identity;
    for (int i = 0; i < Matrix::capacity; i++) {
      for (uint lane = 0; lane < simd_width; lane++) {
        const Holder holder{ushort(lane), 0};
        if ((active >> lane & 1u) == 0 || !Matrix::holds(holder, i)) continue;
        const Place at = Matrix::place(holder, i);
        T& result = results[Rows ? at.row : at.column];
        result = fold(any.operation, result, (*static_cast<const Source*>(operands(lane)->source))[ushort(i)]);
      }
    }
    for (uint lane = 0; lane < simd_width; lane++) {
      if ((active >> lane & 1u) == 0) continue;
      Destination& own = *static_cast<Destination*>(operands(lane)->destination);
      for (int i = 0; i < Destination::layout::capacity; i++) {
        const Holder holder{ushort(lane), 0};
        if (!Destination::layout::holds(holder, i)) continue;
        const Place at = Destination::layout::place(holder, i);
        own[ushort(i)] = results[Rows ? at.row : at.column];
      }
    }
  }
};

}  // namespace mettle

namespace mpp::tensor_ops {

// The neutral elements of the operations.
template <class Element>
struct reduction_operation_identity {
  static constexpr Element sum_identity = Element(0);
  static constexpr Element max_identity = metal::numeric_limits<Element>::lowest();
  static constexpr Element min_identity = metal::numeric_limits<Element>::max();
};

#ifdef METTLE_PTX
#define METTLE_REDUCTION(name, rows)                                                                            \
  template <class Source, class Destination, class... More>                                                     \
  METTLE_INLINE void name(const Source&, Destination&, More...) {                                               \
    static_assert(sizeof(Source) == 0, "on NVIDIA GPUs cooperative tensors are not reduced");                   \
  }
#else
#define METTLE_REDUCTION(name, rows)                                                                            \
  template <class Element, class SourceExtents, class Extents, class SourceLayout, class Layout>                \
  METTLE_INLINE void name(const metal::cooperative_tensor<Element, SourceExtents, SourceLayout>& source,        \
                          metal::cooperative_tensor<Element, Extents, Layout>& destination,                     \
                          reduction_operation op = reduction_operation::sum, Element identity = Element(0),     \
                          ulong site = mettle::call_site()) {                                                   \
    using Source = metal::cooperative_tensor<Element, SourceExtents, SourceLayout>;                             \
    using Destination = metal::cooperative_tensor<Element, Extents, Layout>;                                    \
    const mettle::ReductionOperands<Element> operands = {&source, &destination, identity, op};                  \
    using Reduction = mettle::Reduction<Element, Source, Destination, rows>;                                    \
    [[clang::nomerge]] mettle::wait(site, &Reduction::combine, &operands, nullptr);                             \
  }
#endif
METTLE_REDUCTION(reduce_rows, true)
METTLE_REDUCTION(reduce_columns, false)
#undef METTLE_REDUCTION

// Whether `destination.map_iterator` takes the iterators of `source`.
template <class A, class B, class SourceExtents, class Extents, class SourceLayout, class Layout>
METTLE_INLINE constexpr bool is_iterator_compatible(
    const metal::cooperative_tensor<A, SourceExtents, SourceLayout>&,
    const metal::cooperative_tensor<B, Extents, Layout>&) {
  return mettle::maps_to<SourceLayout, Layout>;
}

}  // namespace mpp::tensor_ops
