// Products of two tiles by a threadgroup: as many results as a piece has, spread over its SIMD groups in fragments.
//
// Where SIMD groups multiply by themselves, each has a part of the results. With our own compiler on NVIDIA GPUs of compute capability 9.0 four of them
// multiply together, from threadgroup memory: what they do between begin() and end() happens meanwhile.
#pragma once

#include <metal_stdlib>
#include <mettle/fragment.h>

using namespace metal;

namespace mettle_kernels {

// Chunks of a row of a tile that are multiplied.
constant constexpr uint TILE_CHUNKS = 4;

// ROWS x COLUMNS results of DOWN x ACROSS SIMD groups.
template <typename T, uint ROWS, uint COLUMNS, uint DOWN, uint ACROSS>
struct simdgroup_products {
    static constant constexpr bool asynchronous = false;
    // Fragments of a SIMD group.
    static constant constexpr uint LEFT = ROWS / DOWN / FRAGMENT;
    static constant constexpr uint RIGHT = COLUMNS / ACROSS / FRAGMENT;
    sum_fragment sums[LEFT][RIGHT];

    METAL_FUNC void zero()
    {
#pragma unroll
        for (uint i = 0; i < LEFT; ++i) {
#pragma unroll
            for (uint j = 0; j < RIGHT; ++j) {
                clear(sums[i][j]);
            }
        }
    }

    // The first row and column of fragments of a SIMD group.
    static METAL_FUNC uint row(uint i, uint simd_group) { return simd_group / ACROSS * (ROWS / DOWN) + i * FRAGMENT; }
    static METAL_FUNC uint column(uint j, uint simd_group) { return simd_group % ACROSS * (COLUMNS / ACROSS) + j * FRAGMENT; }

    // Begins to add the products of the rows of two tiles.
    METAL_FUNC void begin(threadgroup const T* x_tile, threadgroup const T* w_tile, uint simd_group)
    {
#pragma unroll
        for (uint chunk = 0; chunk < TILE_CHUNKS; chunk += 2) {
            matrix_fragment<T> left[LEFT];
            matrix_fragment<T> right[RIGHT];
#pragma unroll
            for (uint i = 0; i < LEFT; ++i) {
                load_left(left[i], x_tile, ROWS, row(i, simd_group), chunk);
            }
#pragma unroll
            for (uint j = 0; j < RIGHT; ++j) {
                load_right(right[j], w_tile, COLUMNS, column(j, simd_group), chunk);
            }
#pragma unroll
            for (uint i = 0; i < LEFT; ++i) {
#pragma unroll
                for (uint j = 0; j < RIGHT; ++j) {
                    multiply_accumulate(sums[i][j], left[i], right[j]);
                }
            }
        }
    }

    // Waits until they are added.
    METAL_FUNC void end() {}
};

#ifdef __METTLE__
template <typename T, uint ROWS, uint COLUMNS, uint DOWN, uint ACROSS>
using group_products = mettle::group_products_or<T, ROWS, COLUMNS, simdgroup_products<T, ROWS, COLUMNS, DOWN, ACROSS>>;
using mettle::publish_operands;
#else
template <typename T, uint ROWS, uint COLUMNS, uint DOWN, uint ACROSS>
using group_products = simdgroup_products<T, ROWS, COLUMNS, DOWN, ACROSS>;

// What a thread wrote to tiles is seen by products after the next barrier.
METAL_FUNC void publish_operands() {}
#endif

}  // namespace mettle_kernels
