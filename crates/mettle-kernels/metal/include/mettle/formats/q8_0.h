// Q8_0 of ggml.
#pragma once

#include <mettle/formats/block.h>

// 32 values d * q.
struct block_q8_0 {
    half d;
    char qs[32];
};

namespace mettle_kernels {

template <>
struct format<block_q8_0> : block_format<32, 128, false, 1, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        // The upper bit inverted adds 128 to each.
        const wide_bytes bytes = reads.template bytes<2>(block->qs + WIDE * part) ^ 0x80808080u;
        return Packed{bytes, float(block->d), 0.0f};
    }
};

}  // namespace mettle_kernels
