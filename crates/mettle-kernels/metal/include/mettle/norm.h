// What norms over rows share. A group goes through a row in steps of sixteen values a thread.
#pragma once

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/sixteens.h>

namespace mettle_kernels {

// What a normalised value is multiplied by: nothing, the weight of its column, or one more than that.
constant constexpr uint UNWEIGHTED = 0;
constant constexpr uint TIMES = 1;
constant constexpr uint TIMES_ONE_PLUS = 2;

// The values at `at` of a row of `columns`, weighted.
template <typename T>
METAL_FUNC wide weighted(wide values, device const T* weight, Sixteen at, uint columns, uint kind)
{
    if (kind == UNWEIGHTED) {
        return values;
    }
    const wide by = load(weight, at, columns);
    return kind == TIMES ? values * by : fma(values, by, values);
}

// The sum of the squares of a row; every thread of the group gets it.
template <typename T>
METAL_FUNC float sum_squares(Group group, device const T* x, uint columns)
{
    wide squares = splat(0.0f);
    for (uint i = group.thread_index; i < sixteens_of(group, columns); i += group.threads) {
        const wide values = load(x, sixteen_of(group, i), columns);
        squares = fma(values, values, squares);
    }
    return group_sum(group, sum(squares));
}

// 1 / sqrt(mean of squares + eps) of a row.
template <typename T>
METAL_FUNC float rms_scale(Group group, device const T* x, uint columns, float eps)
{
    return 1.0f / sqrt(sum_squares(group, x, columns) / float(columns) + eps);
}

}  // namespace mettle_kernels
