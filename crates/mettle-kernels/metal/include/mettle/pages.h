// Rows of caches, which may lie in pages of a pool or in a ring.
//
// The rows of a sequence fill pages one after the other; which ones, its page table says. So sequences of any lengths share a pool, and
// what one gives back serves another. Rings, which have no pages, are those of ring.h.
#pragma once

#include <metal_stdlib>
#include <mettle/ring.h>

using namespace metal;

// Whether rows of caches lie in pages, rather than one behind the other.
constant bool PAGED [[function_constant(12)]];

namespace mettle_kernels {

// What a page table has where its sequence has no page.
constant constexpr uint NO_PAGE = 0xffffffffu;

// Where the rows of a sequence lie. Pages have 2^shift rows, a ring has `ring`, which is 0 without one.
struct Places {
    device const uint* table;
    uint shift;
    uint ring;

    // The row of key j of those that visible() has said.
    METAL_FUNC uint row(uint j) const
    {
        return PAGED ? table[j >> shift] << shift | (j & ((1u << shift) - 1)) : row_of_key(j, ring);
    }

    // The row of the token at a position that there is a row for.
    METAL_FUNC uint row_of(uint position) const { return PAGED ? row(position) : row_of_token(position, ring); }

    // Whether there is a row for a position, of as many as tables have room for. Then there is one for all before it that are to be seen.
    METAL_FUNC bool has(int position, uint capacity) const
    {
        return has_row(position, capacity, PAGED ? 0 : ring) && (!PAGED || table[uint(position) >> shift] != NO_PAGE);
    }

    // The keys that the query at such a position sees.
    METAL_FUNC Keys visible(uint position, uint window) const { return visible_keys(position, window, PAGED ? 0 : ring); }
};

// The places of a token's sequence. There are page tables of so many `sequences`, each with `width` pages one after the other; without PAGED
// nothing is read, and rows may be a `ring`. A token of a sequence that there is none of has no rows: `capacity` becomes 0.
METAL_FUNC Places places_of(
    device const uint* tables, device const uint* sequence_of, uint token, uint sequences, uint width, uint shift,
    uint ring, thread uint& capacity)
{
    Places places = {tables, shift, ring};
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
