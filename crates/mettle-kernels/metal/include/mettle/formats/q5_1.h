// Q5_1 of ggml.
#pragma once

#include <mettle/formats/q5_0.h>

// 32 values d * q + m, bits as in q5_0.
struct block_q5_1 {
    half d;
    half m;
    uchar qh[4];
    uchar qs[16];
};

namespace mettle_kernels {

template <>
struct format<block_q5_1> : block_format<32, 0, true, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{five_bits<8>(reads, block, part), float(block->d), float(block->m)};
    }
};

}  // namespace mettle_kernels
