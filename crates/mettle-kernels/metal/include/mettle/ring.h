// Which rows of a cache the keys that a query sees are in, where rows may be a ring.
//
// A ring of R rows has the token at a position in row position % R, where an earlier one was: so it keeps what a window shows of a text of
// any length. Kernels are given the rows of the ring, or 0 for caches with a row for each position.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

// Whether there is a row for the token at a position, of `capacity`; in a ring there is for all that are not negative.
METAL_FUNC bool has_row(int position, uint capacity, uint ring)
{
    return position >= 0 && (ring != 0 || uint(position) < capacity);
}

// The row of a token at a position that has one.
METAL_FUNC uint row_of_token(uint position, uint ring) { return ring != 0 ? position % ring : position; }

// The keys that a query sees: first..end, one after the other. In a ring those from `ring` on are its first rows again.
struct Keys {
    uint first;
    uint end;
};

// Of a query whose own key is the last; a window of 0 shows all keys, of a ring at most as many as it has rows. One division in all, and none
// for each key.
METAL_FUNC Keys visible_keys(uint position, uint window, uint ring)
{
    const uint before = position + 1;
    const uint count = window != 0 ? min(window, before) : before;
    uint end = row_of_token(position, ring) + 1;
    if (end < count) {
        end += ring;
    }
    return Keys{end - count, end};
}

// The row of key j of those. What a key within the first round becomes by the difference is larger than it is.
METAL_FUNC uint row_of_key(uint j, uint ring) { return min(j, j - ring); }

}  // namespace mettle_kernels
