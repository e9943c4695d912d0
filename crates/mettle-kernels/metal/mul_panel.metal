// Matrix times many columns, for threads that have vector registers of their own: CPUs.

#include <metal_stdlib>
#include <mettle/panel.h>

using namespace metal;
using namespace mettle_kernels;

#ifndef METTLE_AFFINE
#pragma mettle variant(cpu: mul_panel_*)
#endif

struct Params {
    uint rows;     // of the weights
    uint k;        // the columns of the weights: whole blocks of a quantised format
    uint columns;  // of the output; with experts whole steps of STEP rows of x
    uint experts;  // matrices that w consists of, where each step has one of its own; else 0
};

// Columns of a thread, at most: weights are decoded once for all of them.
constant constexpr uint COLUMNS_OF_THREAD = 128;

// out[c, row] = sum over i of w[row, i] * x[c, i], in f32; w is [rows, k], x is [ceil(columns / STEP), k, STEP] as
// pack_columns.metal makes it, so that what is read together is in a cache together; out is [columns, rows]. One thread
// has PANEL_ROWS rows and COLUMNS_OF_THREAD columns and is a threadgroup of its own: the grid is [ceil(columns /
// COLUMNS_OF_THREAD), ceil(rows / PANEL_ROWS)] threads. `memory` holds PANEL_DEPTH values of each of its rows.
//
// With experts, w is [experts, rows, k], and the columns of step i are multiplied with matrix experts[i]; where there is none of that
// number, their results are not written. The grid is [columns / STEP, ceil(rows / PANEL_ROWS)] threads, of which the first of a row of
// steps with the same expert has them all. Else experts is not read.
template <typename W>
[[kernel]] void mul_panel(
    device const W*     w       [[buffer(0)]],
    device const float* x       [[buffer(1)]],
    device const uint*  experts [[buffer(2)]],
    device float*       out     [[buffer(3)]],
    constant Params&    params  [[buffer(4)]],
    threadgroup float*  memory  [[threadgroup(0)]],
    uint2 thread_position [[thread_position_in_grid]])
{
    const uint k = params.k;
    const uint row = thread_position.y * PANEL_ROWS;
    const uint rows = params.rows - row;
    uint first_column = thread_position.x * COLUMNS_OF_THREAD;
    uint end_column = min(first_column + COLUMNS_OF_THREAD, params.columns);
    if (params.experts > 0) {
        const uint step = thread_position.x;
        const uint expert = experts[step];
        if (expert >= params.experts || (step > 0 && experts[step - 1] == expert)) {
            return;
        }
        first_column = step * STEP;
        end_column = first_column + STEP;
        while (end_column < params.columns && experts[end_column / STEP] == expert) {
            end_column += STEP;
        }
        w += ulong(expert) * params.rows * row_stride<W>(k);
    }
    for (uint first = 0; first < k; first += PANEL_DEPTH) {
        const uint depth = min(PANEL_DEPTH, k - first);
        fill_panel(memory, w + ulong(row) * row_stride<W>(k), rows, k, first, depth);
        for (uint column = first_column; column < end_column; column += STEP) {
            device const float* of_step = x + (ulong(column / STEP) * k + first) * STEP;
            for (uint c = 0; c < STEP && column + c < end_column; c += COLUMNS_AT_A_TIME) {
                multiply_panel(
                    out + ulong(column + c) * params.rows + row, params.rows, rows, end_column - column - c, memory,
                    of_step + c, depth, first == 0);
            }
        }
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("mul_panel_" #name "_f32")]] [[kernel]] decltype(mul_panel<type>) mul_panel<type>;
METTLE_FORMATS(INSTANTIATE)
