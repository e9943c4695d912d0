// TQ2_0 of ggml.
#pragma once

#include <mettle/formats/two_bits.h>

// 256 values d * (q - 1), q in planes of two bits.
struct block_tq2_0 {
    uchar qs[64];
    half d;
};

namespace mettle_kernels {

template <>
struct format<block_tq2_0> : block_format<256, 1, false, 8, 16> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{two_bits(reads, block, part), float(block->d), 0.0f};
    }
};

}  // namespace mettle_kernels
