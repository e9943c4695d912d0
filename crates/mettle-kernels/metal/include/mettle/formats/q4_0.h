// Q4_0 of ggml.
#pragma once

#include <mettle/formats/block.h>

// 32 values d * (q - 8): q in the low nibbles of qs for values 0 to 15, in the high nibbles for 16 to 31.
struct block_q4_0 {
    half d;
    uchar qs[16];
};

namespace mettle_kernels {

template <>
struct format<block_q4_0> : block_format<32, 8, false, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{nibbles(reads.template bytes<2>(block->qs), part), float(block->d), 0.0f};
    }
};

}  // namespace mettle_kernels
