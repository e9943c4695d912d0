// Rows of caches that lie in pages of a pool.
//
// The rows of a sequence fill pages one after the other; which ones, its page table says. So sequences of any lengths share a pool, and
// what one gives back serves another.
#pragma once

#include <metal_stdlib>

using namespace metal;

// Whether rows of caches lie in pages, rather than one behind the other.
constant bool PAGED [[function_constant(12)]];

namespace mettle_kernels {

// What a page table has where its sequence has no page.
constant constexpr uint NO_PAGE = 0xffffffffu;

// Where the rows of a sequence lie. Pages have 2^shift rows.
struct Places {
    device const uint* table;
    uint shift;

    // The row for a position that there is a row for.
    METAL_FUNC uint row(uint position) const
    {
        return PAGED ? table[position >> shift] << shift | (position & ((1u << shift) - 1)) : position;
    }

    // Whether there is a row for a position, of as many as tables have room for. Then there is one for all before it.
    METAL_FUNC bool has(int position, uint capacity) const
    {
        return position >= 0 && uint(position) < capacity && (!PAGED || table[uint(position) >> shift] != NO_PAGE);
    }
};

// The places of a token's sequence. There are page tables of so many `sequences`, each with `width` pages one after the other; without PAGED
// nothing is read. A token of a sequence that there is none of has no rows: `capacity` becomes 0.
METAL_FUNC Places places_of(
    device const uint* tables, device const uint* sequence_of, uint token, uint sequences, uint width, uint shift,
    thread uint& capacity)
{
    Places places = {tables, shift};
    if (PAGED) {
        const uint sequence = sequence_of[token];
        if (sequence < sequences) {
            places.table += ulong(sequence) * width;
        } else {
            capacity = 0;
        }
    }
    return places;
}

}  // namespace mettle_kernels
