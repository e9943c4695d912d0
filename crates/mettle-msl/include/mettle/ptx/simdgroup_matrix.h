// The product of two SIMD-group matrices on a warp: each lane fetches the row of A and the two columns of B that its own
// elements of D need.
#pragma once

#include "collective.h"

namespace mettle {

// The lane that holds the element (row, column), and the one beside it.
METTLE_INLINE constexpr uint matrix_lane(uint row, uint column) {
  return (row & 4) << 2 | (column & 4) << 1 | (row & 3) << 1 | (column & 2) >> 1;
}

// Each element of D is c + a0 b0 + a1 b1 + ... + a7 b7, in this order. Lanes that do not take part count as zeros.
struct MultiplyAccumulate {
  METTLE_INLINE static MatrixResult apply(uint active, const MatrixOperands& own) {
    const uint lane = lane_index();
    const uint row = matrix_row(lane), column = matrix_column(lane);
    MatrixResult result = {{own.c[0], own.c[1]}};
    for (uint k = 0; k < 8; k++) {
      const float a = fetch(active, own.a[k & 1], matrix_lane(row, k));
      const uint of_b = matrix_lane(k, column);
      for (uint i = 0; i < 2; i++) result.d[i] = __builtin_fmaf(a, fetch(active, own.b[i], of_b), result.d[i]);
    }
    return result;
  }

 private:
  METTLE_INLINE static float fetch(uint active, float value, uint from) {
    const float read = read_lane(active, value, from);
    return (active >> from & 1u) != 0 ? read : 0.0f;
  }
};

}  // namespace mettle
