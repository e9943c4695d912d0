// What the ways to multiply a matrix with a few vectors have in common: see mul_mv.metal.
#pragma once

#include <metal_stdlib>
#include <mettle/silu.h>

struct Params {
    uint rows;  // n, the rows of the weights
    uint rows_of_others;  // THREE: the rows of the second matrix, and of the third
    uint k;     // the columns of the weights: whole blocks of a quantised format
    uint aligned;  // whether x, norm and dense weights may be read sixteen bytes at a time, from row starts on; always with STAGED
    float eps;  // of the norm
    uint chunks;  // STAGED: chunks of x whose digits there is room for, a multiple of `slices` if not all
    uint count;   // rows of a threadgroup, with STAGED of a unit, or of a thread by itself
    uint slices;  // STAGED: SIMD groups that share a unit
    uint experts;  // matrices that w consists of, and `second` with a gate, where each column has one of its own; else 0
    uint sharers;  // with experts: how many columns in a row have the same row of x
    uint columns;  // of a step, up to COLUMNS
};

namespace mettle_kernels {

// One thread computes a row by itself (CPU) instead of a threadgroup a few rows together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// The columns that are taken together: 1 to 4 with ROW_PER_THREAD, else a power of two up to MAX_COLUMNS. Params::columns of them count.
constant uint COLUMNS [[function_constant(1)]];

// Blocks of weights go through threadgroup memory: for GPUs that have plenty of it. Not with ROW_PER_THREAD, not what is not
// aligned, nor weights that are no whole numbers.
constant bool STAGED [[function_constant(2)]];

// What is done beside the product, of the values below.
constant uint FUSED [[function_constant(3)]];

// x is normalised on its way: out is of rms_norm(x), see rms_norm.metal. For one column, and not with ROW_PER_THREAD.
constant constexpr uint NORM = 1;
// The product is added to what is in out.
constant constexpr uint ADD = 2;
// There are two matrices of weights, and out is silu(product with the first) * product with the second.
constant constexpr uint GATE = 4;
// There are three matrices of weights, and out has the products with them one after the other. For one column; not with ADD
// or GATE.
constant constexpr uint THREE = 8;

constant constexpr uint MAX_COLUMNS = 16;

// Up to so many columns, four rows are taken together, or as many as are on their way; of more, half as many.
constant constexpr uint FEW_COLUMNS = 4;

// A result: of the product with the weights, that with the weights of the gated values, and what is in out.
METAL_FUNC float result_of(float product, float gated, float there)
{
    const float result = FUSED & GATE ? silu(product) * gated : product;
    return FUSED & ADD ? there + result : result;
}

template <typename X>
METAL_FUNC void finish(device X* out, float product, float gated)
{
    *out = X(result_of(product, gated, FUSED & ADD ? float(*out) : 0.0f));
}

// What a threadgroup, a SIMD group or a thread by itself multiplies: some rows of a matrix.
template <typename W>
struct Part {
    device const W* w;
    device const W* gated;
    uint place;  // in out, of the matrix's results
    uint rows;   // of the matrix
    uint first;  // its first row
};

// How many parts of `count` rows there are.
METAL_FUNC uint units(constant Params& params)
{
    const uint of_first = (params.rows + params.count - 1) / params.count;
    return of_first + (FUSED & THREE ? 2 * ((params.rows_of_others + params.count - 1) / params.count) : 0);
}

// Part `group` of them. Of three matrices, each has parts of its own.
template <typename W>
METAL_FUNC Part<W> part_of(
    device const W* w, device const W* second, device const W* third, constant Params& params, uint group)
{
    const uint count = params.count;
    Part<W> part = {w, second, 0, params.rows, group * count};
    const uint of_first = (params.rows + count - 1) / count;
    if (FUSED & THREE && group >= of_first) {
        const uint of_second = (params.rows_of_others + count - 1) / count;
        const bool is_third = group - of_first >= of_second;
        part.w = is_third ? third : second;
        part.place = params.rows + (is_third ? params.rows_of_others : 0);
        part.rows = params.rows_of_others;
        part.first = (group - of_first - (is_third ? of_second : 0)) * count;
    }
    return part;
}

// What products with values on their way to a norm are to be multiplied with, of the squares that each SIMD group has.
METAL_FUNC float scale_of_groups(threadgroup const float* memory, constant Params& params, uint simd_groups, uint lane)
{
    const float all = simd_sum(lane < simd_groups ? memory[lane] : 0.0f);
    return 1.0f / sqrt(all / float(params.k) + params.eps);
}

}  // namespace mettle_kernels
