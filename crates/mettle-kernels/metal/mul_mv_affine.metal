// Matrix times a few vectors, with weights in one of MLX's affine formats: every weight is read and decoded once for all columns.

#include <metal_stdlib>
#include <mettle/affine.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a row by itself (CPU) instead of a SIMD group a few rows together (GPU).
constant bool ROW_PER_THREAD [[function_constant(3)]];

#pragma mettle variant(cpu: mul_mv_*, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = true)
#pragma mettle variant(cpu: mul_mv_*, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: mul_mv_*, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false)
#pragma mettle variant(gpu: mul_mv_*, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false)

constant constexpr uint MAX_COLUMNS = 4;

// Rows that a SIMD group takes together.
constant constexpr uint ROWS = 4;

struct Params {
    uint rows;     // n, the rows of the weights
    uint k;        // the columns of the weights, whole groups
    uint columns;  // of a step, 1 to MAX_COLUMNS
};

// out[c, r] = sum over i of w[r, i] * x[c, i], for steps of `columns` columns c; w is [n, k], x [steps * columns, k], out [steps * columns, n].
//
// With ROW_PER_THREAD the grid is [steps, n] threads, else [steps, ceil(n / (ROWS * SIMD groups))] threadgroups of whole SIMD groups.
kernel void mul_mv_affine_f32(
    device const uchar* w      [[buffer(0)]],
    device const float* x      [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  simd_groups     [[simdgroups_per_threadgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  lane            [[thread_index_in_simdgroup]])
{
    const uint step = ROW_PER_THREAD ? thread_position.x : group_position.x;
    const uint sixteens = params.k / WIDE;
    const ulong row_bytes = affine_row_bytes(params.k);
    x += ulong(step) * params.columns * params.k;
    out += ulong(step) * params.columns * params.rows;
    if (ROW_PER_THREAD) {
        device const uchar* row = w + thread_position.y * row_bytes;
        wide sums[MAX_COLUMNS] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
        for (uint i = 0; i < sixteens; ++i) {
            const wide weights = decode_affine(row, i);
#pragma unroll
            for (uint c = 0; c < MAX_COLUMNS; ++c) {
                if (c < params.columns) {
                    sums[c] = fma(weights, load(x + ulong(c) * params.k + WIDE * i), sums[c]);
                }
            }
        }
        for (uint c = 0; c < params.columns; ++c) {
            out[ulong(c) * params.rows + thread_position.y] = sum(sums[c]);
        }
        return;
    }

    const uint first_row = (group_position.y * simd_groups + simd_group) * ROWS;
    if (first_row >= params.rows) {
        return;
    }
    float sums[ROWS * MAX_COLUMNS] = {};
    for (uint i = lane; i < sixteens; i += 32) {
        wide columns[MAX_COLUMNS];
#pragma unroll
        for (uint c = 0; c < MAX_COLUMNS; ++c) {
            if (c < params.columns) {
                columns[c] = load(x + ulong(c) * params.k + WIDE * i);
            }
        }
#pragma unroll
        for (uint r = 0; r < ROWS; ++r) {
            // Beyond the last row it is taken again.
            const wide weights = decode_affine(w + ulong(min(first_row + r, params.rows - 1)) * row_bytes, i);
#pragma unroll
            for (uint c = 0; c < MAX_COLUMNS; ++c) {
                if (c < params.columns) {
                    sums[r * MAX_COLUMNS + c] += dot(weights, columns[c]);
                }
            }
        }
    }
#pragma unroll
    for (uint r = 0; r < ROWS; ++r) {
#pragma unroll
        for (uint c = 0; c < MAX_COLUMNS; ++c) {
            const float total = simd_sum(sums[r * MAX_COLUMNS + c]);
            if (lane == 0 && c < params.columns && first_row + r < params.rows) {
                out[ulong(c) * params.rows + first_row + r] = total;
            }
        }
    }
}
