// Fragments whose values kernels see, so that sums become operands without a way through memory.
//
// A lane has four pairs of neighbouring values of a fragment, in two rows: pair i is in row i % 2 of them. That is so in sums and in left operands
// alike. Which rows and columns these are depends on the processor.
#pragma once

#include <metal_stdlib>
#include <mettle/across.h>
#include <mettle/fragment.h>

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

    // A lane that has values of a row, of the first eight.
    static METAL_FUNC uint lane_of(uint row) { return (row & 4) * 4 + (row & 3) * 2; }

    // Lanes that have values of the same rows differ in these bits of their numbers.
    static constant constexpr uint first_bit = 1;
    static constant constexpr uint second_bit = 8;

    static METAL_FUNC float2 get(thread const simdgroup_fragment<float>& sums, uint i)
    {
        simdgroup_matrix<float, 8, 8> block = sums.block[i % 2][i / 2];
        return reinterpret_cast<thread float2&>(block.thread_elements());
    }

    // Those of narrow sums are the first two.
    static METAL_FUNC float2 get(thread const simdgroup_narrow_sums& sums, uint i)
    {
        simdgroup_matrix<float, 8, 8> block = sums.block[i];
        return reinterpret_cast<thread float2&>(block.thread_elements());
    }

    static METAL_FUNC void set(thread simdgroup_narrow_sums& sums, uint i, float2 values)
    {
        reinterpret_cast<thread float2&>(sums.block[i].thread_elements()) = values;
    }

    // Of a left operand.
    template <typename T>
    static METAL_FUNC void set(thread simdgroup_fragment<T>& left, uint i, vec<T, 2> values)
    {
        reinterpret_cast<thread vec<T, 2>&>(left.block[i % 2][i / 2].thread_elements()) = values;
    }

    // All pairs of a right operand whose rows are its columns. `scratch` holds a fragment, for this SIMD group alone.
    template <typename T>
    static METAL_FUNC void set_right(
        thread simdgroup_fragment<T>& right, thread const vec<T, 2>* values, threadgroup T* scratch, uint lane)
    {
        simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (uint i = 0; i < PAIRS; ++i) {
            threadgroup T* to = scratch + row(lane, i) * FRAGMENT + column(lane, i);
            *reinterpret_cast<threadgroup vec<T, 2>*>(to) = values[i];
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (uint i = 0; i < 2; ++i) {
#pragma unroll
            for (uint j = 0; j < 2; ++j) {
                threadgroup const T* from = scratch + 8 * (i * FRAGMENT + j);
                simdgroup_load(right.block[j][i], from, FRAGMENT, ulong2(0, 0), true);
            }
        }
    }
};

#ifdef __METTLE__
// On NVIDIA GPUs lane l has columns 2 (l % 4) and the next, in rows l / 4 and l / 4 + 8, of the eight on the left and of those on the right (PTX
// ISA, "Matrix Fragments for mma.m16n8k16 with floating point type").
template <typename Sums>
struct pairs_of {
    static METAL_FUNC uint row(uint lane, uint i) { return lane / 4 + i % 2 * 8; }
    static METAL_FUNC uint column(uint lane, uint i) { return lane % 4 * 2 + i / 2 * 8; }

    static METAL_FUNC uint lane_of(uint row) { return row * 4; }

    static constant constexpr uint first_bit = 1;
    static constant constexpr uint second_bit = 2;

    template <typename AnySums>
    static METAL_FUNC float2 get(thread const AnySums& sums, uint i)
    {
        return float2(sums.value[2 * i], sums.value[2 * i + 1]);
    }

    template <typename Left, typename Pair>
    static METAL_FUNC void set(thread Left& left, uint i, Pair values)
    {
        left.word[i] = as_type<uint>(values);
    }

    template <typename NarrowSums>
    static METAL_FUNC void set(thread NarrowSums& sums, uint i, float2 values)
    {
        sums.value[2 * i] = values.x;
        sums.value[2 * i + 1] = values.y;
    }

    // Here the two blocks beside each other come first, and no memory is needed.
    template <typename Right, typename Pair, typename Scratch>
    static METAL_FUNC void set_right(thread Right& right, thread const Pair* values, Scratch, uint)
    {
#pragma unroll
        for (uint i = 0; i < PAIRS; ++i) {
            right.word[i % 2 * 2 + i / 2] = as_type<uint>(values[i]);
        }
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

// A power of two that brings numbers up to x to between 2^13 and 2^14, as far as floats reach; one for what is no number.
METAL_FUNC float factor_of(float x)
{
    const uint exponent = as_type<uint>(x) >> 23 & 0xff;
    if (exponent == 0xff) {
        return 1.0f;
    }
    return as_type<float>((127 + 13 + 127 - metal::max(exponent, 32u)) << 23);
}

// One over what that returns.
METAL_FUNC float inverse_of_power(float factor) { return as_type<float>(0x7f000000u - as_type<uint>(factor)); }

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
