// Panels of weights: a few rows side by side, so that what a vector holds are weights of different rows, and a product of it
// with one activation adds to as many results. Nothing is left to be added up between the lanes of a vector.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>
#include <mettle/wide_words.h>

namespace mettle_kernels {

// Rows of a panel.
constant constexpr uint PANEL_ROWS = 32;

// Vectors of a panel, side by side.
constant constexpr uint PANEL_WIDES = PANEL_ROWS / WIDE;

// Values of each row that are in memory at a time.
constant constexpr uint PANEL_DEPTH = 128;

// Columns of x that lie side by side, as pack_columns.metal puts them.
constant constexpr uint STEP = 8;

// Vectors that registers hold at a time. Which processor it is, is not known yet where macros are.
#ifdef __METTLE__
constant constexpr uint REGISTERS = mettle::wide_registers;
#else
constant constexpr uint REGISTERS = 8;
#endif

// How many results are kept in registers: those of so many vectors of a panel and so many columns. A multiply-add takes some four cycles, of which
// processors begin two in each: fewer than eight registers of sums would wait for each other.
constant constexpr uint WIDES_AT_A_TIME = REGISTERS >= 32 ? 2 : 1;
constant constexpr uint COLUMNS_AT_A_TIME = REGISTERS >= 32 ? 8 : 4;

#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)

// Makes rows of columns.
METAL_FUNC void transpose(thread wide* x)
{
    // Each of four steps puts what is eight rows apart side by side.
#pragma unroll
    for (ushort step = 0; step < 4; ++step) {
        wide y[WIDE];
#pragma unroll
        for (ushort i = 0; i < 8; ++i) {
            y[2 * i] = __builtin_shufflevector(
                x[i], x[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            y[2 * i + 1] = __builtin_shufflevector(
                x[i], x[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
#pragma unroll
        for (ushort i = 0; i < WIDE; ++i) {
            x[i] = y[i];
        }
    }
}

#else

METAL_FUNC void transpose(thread wide* x)
{
    for (ushort i = 0; i < WIDE; ++i) {
        for (ushort j = 0; j < i; ++j) {
            const float upper = element(x[i], j);
            set_element(x[i], j, element(x[j], i));
            set_element(x[j], i, upper);
        }
    }
}

#endif

// Puts `depth` values from `first` on of the panel's rows into memory: value i of row r at to[i * PANEL_ROWS + r]. `rows`
// rows of k weights are left from `w` on; beyond the last one it is taken again.
template <typename W>
METAL_FUNC void fill_panel(threadgroup float* to, device const W* w, uint rows, uint k, uint first, uint depth)
{
    constexpr uint parts = format<W>::values / WIDE;
    for (uint at = 0; at < depth; at += WIDE) {
        const uint sixteen = (first + at) / WIDE;
        for (uint group = 0; group < PANEL_ROWS; group += WIDE) {
            wide x[WIDE];
#pragma unroll
            for (uint r = 0; r < WIDE; ++r) {
                device const W* row = w + ulong(metal::min(group + r, rows - 1)) * row_stride<W>(k);
                x[r] = depth - at < WIDE ? decode_tail(row, first + at, depth - at)
                                         : decode(row, sixteen / parts, sixteen % parts);
            }
            transpose(x);
#pragma unroll
            for (uint i = 0; i < WIDE; ++i) {
                store_wide(to + (at + i) * PANEL_ROWS + group, x[i]);
            }
        }
    }
}

// Adds to out[c * stride + r] the products of `depth` values of the panel's rows with COLUMNS_AT_A_TIME columns, of which
// value i of column c is x[i * STEP + c]; or puts them there, if they are the first. `rows` rows and the first `columns` columns
// have results.
METAL_FUNC void multiply_panel(
    device float* out, uint stride, uint rows, uint columns, threadgroup const float* panel, device const float* x, uint depth,
    bool are_first)
{
    for (uint group = 0; group < PANEL_WIDES; group += WIDES_AT_A_TIME) {
        wide sums[COLUMNS_AT_A_TIME][WIDES_AT_A_TIME];
#pragma unroll
        for (uint c = 0; c < COLUMNS_AT_A_TIME; ++c) {
#pragma unroll
            for (uint i = 0; i < WIDES_AT_A_TIME; ++i) {
                sums[c][i] = splat(0.0f);
            }
        }
        for (uint at = 0; at < depth; ++at) {
            wide weights[WIDES_AT_A_TIME];
#pragma unroll
            for (uint i = 0; i < WIDES_AT_A_TIME; ++i) {
                weights[i] = load_wide(panel + at * PANEL_ROWS + (group + i) * WIDE);
            }
#pragma unroll
            for (uint c = 0; c < COLUMNS_AT_A_TIME; ++c) {
                const wide value = splat(x[at * STEP + c]);
#pragma unroll
                for (uint i = 0; i < WIDES_AT_A_TIME; ++i) {
                    sums[c][i] = fma(weights[i], value, sums[c][i]);
                }
            }
        }
#pragma unroll
        for (uint c = 0; c < COLUMNS_AT_A_TIME; ++c) {
#pragma unroll
            for (uint i = 0; i < WIDES_AT_A_TIME; ++i) {
                const uint row = (group + i) * WIDE;
                if (row < rows && c < columns) {
                    device float* to = out + ulong(c) * stride + row;
                    const wide before = are_first ? splat(0.0f) : load_next(to, rows - row);
                    store_next(to, before + sums[c][i], rows - row);
                }
            }
        }
    }
}

}  // namespace mettle_kernels
