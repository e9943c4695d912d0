// A row of weights times a few columns, by a thread that has it to itself.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>

namespace mettle_kernels {

// Sixteens of a row that are added up apart, so that no addition waits for the one before it.
constant constexpr uint CHAINS = 2;

// Partial sums of a row of weights times each column.
template <uint MAX>
struct Sums {
    wide column[MAX][CHAINS];
};

// Adds sixteen weights times x[c * k + i] for i in 0..16.
template <uint MAX, typename X>
METAL_FUNC void add(thread Sums<MAX>& sums, uint columns, uint chain, wide weights, device const X* x, uint k)
{
    for (uint c = 0; c < columns; ++c) {
        sums.column[c][chain] = fma(weights, load(x + ulong(c) * k), sums.column[c][chain]);
    }
}

// Adds `count` < 16 weights times x[c * k + i] for i in 0..count.
template <uint MAX, typename X>
METAL_FUNC void add_tail(
    thread Sums<MAX>& sums, uint columns, wide weights, device const X* x, uint k, uint count)
{
    for (uint c = 0; c < columns; ++c) {
        sums.column[c][0] = fma(weights, load_some(x + ulong(c) * k, count), sums.column[c][0]);
    }
}

// A row times `columns`, MAX at most.
template <uint MAX, typename W, typename X>
METAL_FUNC Sums<MAX> row_of_thread(device const W* w, device const X* x, uint k, uint columns)
{
    constexpr uint values = format<W>::values;
    constexpr uint parts = values / WIDE;

    const uint whole = k / WIDE * WIDE;
    const uint blocks = k / values;
    Sums<MAX> sums = {};
    for (uint block = 0; block < blocks; ++block) {
#pragma unroll
        for (uint part = 0; part < parts; ++part) {
            add(sums, columns, part % CHAINS, decode(w, block, part), x + block * values + part * WIDE, k);
        }
    }
    if (format<W>::dense && whole < k) {
        add_tail(sums, columns, decode_tail(w, whole, k - whole), x + whole, k, k - whole);
    }
    return sums;
}

template <uint MAX>
METAL_FUNC float total(thread const Sums<MAX>& sums, uint column)
{
    return sum(sums.column[column][0] + sums.column[column][1]);
}

}  // namespace mettle_kernels
