// Products of matrices by the SIMD groups of a threadgroup: 16 x 16 values at a time, summed in float.
//
// A fragment is spread over the lanes of a SIMD group. On Apple GPUs it is made of 2 x 2 simdgroup_matrix of 8 x 8. With
// our own compiler on NVIDIA GPUs it is an operand of the tensor cores, which take no less at a time.
//
// Fragments are loaded from tiles: rows of four chunks of eight 16-bit values in threadgroup memory, whose banks decide
// where each chunk lies. `tile_layout` says where.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

// Rows and columns of a fragment.
constant constexpr uint FRAGMENT = 16;

// Values of a chunk.
constant constexpr uint CHUNK = 8;

// Chunks in four columns, so that those of eight rows are a contiguous matrix of 8 x 8.
struct columns_of_chunks {
    // The index of the first value of a chunk in a tile of `rows` rows.
    static METAL_FUNC uint place(uint rows, uint row, uint chunk) { return (chunk * rows + row) * CHUNK; }

    // The index of the first of the i-th eight values of those that `count` rows from row `first` on have, in no order.
    static METAL_FUNC uint slot(uint rows, uint first, uint count, uint i)
    {
        return place(rows, first + i % count, i / count);
    }
};

template <typename T>
struct simdgroup_fragment {
    simdgroup_matrix<T, 8, 8> block[2][2];
};

// Sums of 16 x 8.
struct simdgroup_narrow_sums {
    simdgroup_matrix<float, 8, 8> block[2];
};

#ifdef __METTLE__
template <typename T>
using matrix_fragment = mettle::matrix_fragment_or<T, simdgroup_fragment<T>>;
using sum_fragment = mettle::sum_fragment_or<simdgroup_fragment<float>>;
using narrow_sums = mettle::narrow_sums_or<simdgroup_narrow_sums>;
using tile_layout = mettle::tile_layout_or<columns_of_chunks>;
#else
template <typename T>
using matrix_fragment = simdgroup_fragment<T>;
using sum_fragment = simdgroup_fragment<float>;
using narrow_sums = simdgroup_narrow_sums;
using tile_layout = columns_of_chunks;
#endif

// Loads 16 values, from a chunk on, of each of 16 rows of a tile of `rows` rows; `row` and `chunk` are even.
template <typename T>
METAL_FUNC void load_left(
    thread simdgroup_fragment<T>& fragment, threadgroup const T* tile, uint rows, uint row, uint chunk)
{
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
#pragma unroll
        for (uint j = 0; j < 2; ++j) {
            simdgroup_load(fragment.block[i][j], tile + columns_of_chunks::place(rows, row + 8 * i, chunk + j), CHUNK);
        }
    }
}

// The same of a tile whose rows are the columns of the right operand.
template <typename T>
METAL_FUNC void load_right(
    thread simdgroup_fragment<T>& fragment, threadgroup const T* tile, uint rows, uint row, uint chunk)
{
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
#pragma unroll
        for (uint j = 0; j < 2; ++j) {
            simdgroup_load(
                fragment.block[j][i], tile + columns_of_chunks::place(rows, row + 8 * i, chunk + j), CHUNK, ulong2(0, 0), true);
        }
    }
}

// Loads a right operand of a tile whose rows are its rows.
template <typename T>
METAL_FUNC void load_right_by_rows(
    thread simdgroup_fragment<T>& fragment, threadgroup const T* tile, uint rows, uint row, uint chunk)
{
    load_left(fragment, tile, rows, row, chunk);
}

METAL_FUNC void clear(thread simdgroup_fragment<float>& sums)
{
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
#pragma unroll
        for (uint j = 0; j < 2; ++j) {
            sums.block[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
        }
    }
}

// sums += left times right.
template <typename T>
METAL_FUNC void multiply_accumulate(
    thread simdgroup_fragment<float>& sums, thread const simdgroup_fragment<T>& left,
    thread const simdgroup_fragment<T>& right)
{
#pragma unroll
    for (uint l = 0; l < 2; ++l) {
#pragma unroll
        for (uint i = 0; i < 2; ++i) {
#pragma unroll
            for (uint j = 0; j < 2; ++j) {
                simdgroup_multiply_accumulate(
                    sums.block[i][j], left.block[i][l], right.block[l][j], sums.block[i][j]);
            }
        }
    }
}

METAL_FUNC void clear(thread simdgroup_narrow_sums& sums)
{
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
        sums.block[i] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
}

// sums += left times the first eight columns of right, and times the others.
template <typename T>
METAL_FUNC void multiply_accumulate(
    thread simdgroup_narrow_sums& sums, thread const simdgroup_fragment<T>& left,
    thread const simdgroup_fragment<T>& right)
{
#pragma unroll
    for (uint j = 0; j < 2; ++j) {
#pragma unroll
        for (uint l = 0; l < 2; ++l) {
#pragma unroll
            for (uint i = 0; i < 2; ++i) {
                simdgroup_multiply_accumulate(sums.block[i], left.block[i][l], right.block[l][j], sums.block[i]);
            }
        }
    }
}

// out[r * stride + c] = scale[r] * sums[r, c] for r < rows and c < columns. `scratch` holds a fragment of floats, for this
// SIMD group alone.
METAL_FUNC void store(
    thread const simdgroup_fragment<float>& sums, device float* out, ulong stride, device const float* scale, uint rows,
    uint columns, threadgroup float* scratch, uint lane)
{
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
#pragma unroll
        for (uint j = 0; j < 2; ++j) {
            simdgroup_store(sums.block[i][j], scratch + 8 * (i * FRAGMENT + j), FRAGMENT);
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = lane; i < FRAGMENT * FRAGMENT; i += 32) {
        const uint row = i / FRAGMENT;
        const uint column = i % FRAGMENT;
        if (row < rows && column < columns) {
            out[row * stride + column] = scale[row] * scratch[i];
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
}

}  // namespace mettle_kernels
