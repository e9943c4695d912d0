// Q1_0 of ggml, which is Q1_0_g128 of OxiBonsai.
#pragma once

#include <mettle/formats/block.h>

// 128 values, d where the bit is one and -d where it is zero.
struct block_q1_0 {
    half d;
    uchar qs[16];
};

namespace mettle_kernels {

template <>
struct format<block_q1_0> : block_format<128, 1, false, 1, 8> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint bits = uint(block->qs[2 * part]) | uint(block->qs[2 * part + 1]) << 8;
        return Packed{spread<1>(bits), float(block->d), 0.0f};
    }
};

}  // namespace mettle_kernels
