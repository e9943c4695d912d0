// Q4_1 of ggml.
#pragma once

#include <mettle/formats/block.h>

// 32 values d * q + m, nibbles as in q4_0.
struct block_q4_1 {
    half d;
    half m;
    uchar qs[16];
};

namespace mettle_kernels {

template <>
struct format<block_q4_1> : block_format<32, 0, true, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{nibbles(reads.template bytes<4>(block->qs), part), float(block->d), float(block->m)};
    }
};

}  // namespace mettle_kernels
