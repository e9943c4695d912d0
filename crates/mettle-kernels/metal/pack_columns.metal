// Columns side by side, as products by panels read them.

#include <metal_stdlib>
#include <mettle/panel.h>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

#pragma mettle variant(cpu: pack_columns_*)

struct Params {
    uint columns;
    uint k;  // values of a column
};

// out[s, i, c] = x[STEP * s + c, i]; x is [columns, k], out is [ceil(columns / STEP), k, STEP]. Beyond the last column it is taken again.
//
// One thread for sixteen values of STEP columns: the grid is [ceil(k / 16), ceil(columns / STEP)].
kernel void pack_columns_f32(
    device const float* x      [[buffer(0)]],
    device float*       out    [[buffer(1)]],
    constant Params&    params [[buffer(2)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint first = WIDE * position.x;
    const uint count = min(WIDE, params.k - first);
    wide columns[STEP];
#pragma unroll
    for (uint c = 0; c < STEP; ++c) {
        const uint column = min(STEP * position.y + c, params.columns - 1);
        columns[c] = load_next(x + ulong(column) * params.k + first, count);
    }
    device float* to = out + (ulong(position.y) * params.k + first) * STEP;
    for (uint i = 0; i < count; ++i) {
#pragma unroll
        for (uint c = 0; c < STEP; ++c) {
            to[i * STEP + c] = element(columns[c], i);
        }
    }
}
