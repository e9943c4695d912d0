// Fragments whose values kernels see, so that sums become operands without a way through memory.
//
// A lane has four pairs of neighbouring values of a fragment, in two rows: pair i is in row i % 2 of them. That is so in sums and in left operands
// alike. Which rows and columns these are depends on the processor.
#pragma once

#include <metal_stdlib>
#include <mettle/fragment.h>
#include <mettle/row_lanes.h>

using namespace metal;

namespace mettle_kernels {

// Pairs of a lane, and its rows.
constant constexpr uint PAIRS = 4;
constant constexpr uint ROWS_OF_LANE = 2;

// On Apple GPUs a lane has the values at (row, column) and (row, column + 1) of each block of 8 x 8.
template <typename Sums>
struct pairs_of;

template <>
struct pairs_of<simdgroup_fragment<float>> {
    static METAL_FUNC uint row(uint lane, uint i) { return (lane / 4 & 4) + lane / 2 % 4 + i % 2 * 8; }
    static METAL_FUNC uint column(uint lane, uint i) { return (lane / 4 & 2) * 2 + lane % 2 * 2 + i / 2 * 8; }

    // Lanes that have values of the same rows differ in these bits of their numbers.
    static constant constexpr uint first_bit = 1;
    static constant constexpr uint second_bit = 8;

    static METAL_FUNC float2 get(thread const simdgroup_fragment<float>& sums, uint i)
    {
        simdgroup_matrix<float, 8, 8> block = sums.block[i % 2][i / 2];
        return reinterpret_cast<thread float2&>(block.thread_elements());
    }

    // Of a left operand.
    template <typename T>
    static METAL_FUNC void set(thread simdgroup_fragment<T>& left, uint i, vec<T, 2> values)
    {
        reinterpret_cast<thread vec<T, 2>&>(left.block[i % 2][i / 2].thread_elements()) = values;
    }
};

#ifdef __METTLE__
// On NVIDIA GPUs lane l has columns 2 (l % 4) and the next, in rows l / 4 and l / 4 + 8, of the eight on the left and of those on the right (PTX
// ISA, "Matrix Fragments for mma.m16n8k16 with floating point type").
template <typename Sums>
struct pairs_of {
    static METAL_FUNC uint row(uint lane, uint i) { return lane / 4 + i % 2 * 8; }
    static METAL_FUNC uint column(uint lane, uint i) { return lane % 4 * 2 + i / 2 * 8; }

    static constant constexpr uint first_bit = 1;
    static constant constexpr uint second_bit = 2;

    static METAL_FUNC float2 get(thread const Sums& sums, uint i)
    {
        return float2(sums.value[2 * i], sums.value[2 * i + 1]);
    }

    template <typename Left, typename Pair>
    static METAL_FUNC void set(thread Left& left, uint i, Pair values)
    {
        left.word[i] = as_type<uint>(values);
    }
};
#endif

using fragment_pairs = pairs_of<sum_fragment>;

// The largest and the sum of x over the lanes that have values of the same row.
METAL_FUNC float max_of_row(float x)
{
    x = metal::max(x, across(x, fragment_pairs::first_bit));
    return metal::max(x, across(x, fragment_pairs::second_bit));
}

METAL_FUNC float sum_of_row(float x)
{
    x += across(x, fragment_pairs::first_bit);
    return x + across(x, fragment_pairs::second_bit);
}

// How many terms of T come close to a float: of halves within 2^-22 of it, if they reach as far, of bfloats within 2^-24.
template <typename T>
struct Terms;

template <>
struct Terms<half> {
    static constant constexpr uint count = 2;
};

template <>
struct Terms<bfloat> {
    static constant constexpr uint count = 3;
};

// Sets pair i of left operands that add up to x.
template <typename T>
METAL_FUNC void set_terms(thread matrix_fragment<T>* terms, uint i, float2 x)
{
#pragma unroll
    for (uint t = 0; t < Terms<T>::count; ++t) {
        const vec<T, 2> term = vec<T, 2>(x);
        fragment_pairs::set(terms[t], i, term);
        x -= float2(term);
    }
}

// Adds the products of right with the first of the terms to `high`, and those with the others to `low`.
template <typename T>
METAL_FUNC void multiply_terms(
    thread sum_fragment& high, thread sum_fragment& low, thread const matrix_fragment<T>* terms,
    thread const matrix_fragment<T>& right)
{
    multiply_accumulate(high, terms[0], right);
#pragma unroll
    for (uint t = 1; t < Terms<T>::count; ++t) {
        multiply_accumulate(low, terms[t], right);
    }
}

}  // namespace mettle_kernels
