// IQ4_NL of ggml.
#pragma once

#include <mettle/formats/levels.h>

// 32 values d * LEVELS[q], nibbles as in q4_0.
struct block_iq4_nl {
    half d;
    uchar qs[16];
};

namespace mettle_kernels {

template <>
struct format<block_iq4_nl> : block_format<32, LEVELS_BIAS, false, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{levels_of(nibbles(reads.template bytes<2>(block->qs), part)), float(block->d), 0.0f};
    }
};

}  // namespace mettle_kernels
