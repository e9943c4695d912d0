// Pieces of 16 x 16 values of matrices, for SIMD groups that multiply several blocks of 8 x 8 at a time. Where the processor
// multiplies such pieces, as NVIDIA's tensor cores do, the types and functions are here; elsewhere kernels bring types of
// their own, made of SIMD-group matrices, with functions of the same names.
#pragma once

#include "simdgroup_matrix.h"

#ifdef METTLE_PTX
#include "ptx/fragment.h"

namespace mettle {
template <class T, class Other>
using matrix_fragment_or = MatrixFragment<T>;
template <class Other>
using sum_fragment_or = SumFragment;
template <class Other>
using narrow_sums_or = NarrowSums;
template <class Other>
using tile_layout_or = ExchangedChunks;
}  // namespace mettle

#else

namespace mettle {
template <class T, class Other>
using matrix_fragment_or = Other;
template <class Other>
using sum_fragment_or = Other;
template <class Other>
using narrow_sums_or = Other;
template <class Other>
using tile_layout_or = Other;
}  // namespace mettle

#endif  // METTLE_PTX

// Products of whole tiles by the SIMD groups of a threadgroup together.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "ptx/group_products.h"

namespace mettle {
template <class T, uint ROWS, uint COLUMNS, class Other>
using group_products_or = GroupProducts<T, ROWS, COLUMNS>;
}  // namespace mettle

#else

namespace mettle {
template <class T, uint ROWS, uint COLUMNS, class Other>
using group_products_or = Other;

METTLE_INLINE void publish_operands() {}
}  // namespace mettle

#endif  // __CUDA_ARCH_FEAT_SM90_ALL
