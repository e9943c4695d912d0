// IQ4_XS of ggml.
#pragma once

#include <mettle/formats/levels.h>

// 256 values d * (scale - 32) * LEVELS[q] in eight sub-blocks of 32, each with its nibbles as in q4_0. Of the six-bit scales
// the low nibbles lie in `scales_l`, lowest first, and the upper two bits in `scales_h`.
struct block_iq4_xs {
    half d;
    ushort scales_h;
    uchar scales_l[4];
    uchar qs[128];
};

namespace mettle_kernels {

template <>
struct format<block_iq4_xs> : block_format<256, LEVELS_BIAS, false, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint j = part / 2;
        const uint low = block->scales_l[j / 2] >> (4 * (j % 2)) & 15;
        const uint high = block->scales_h >> (2 * j) & 3;
        const float scale = float(block->d) * float(int(low | high << 4) - 32);
        return Packed{levels_of(nibbles(reads.template bytes<8>(block->qs + 16 * j), part % 2)), scale, 0.0f};
    }
};

}  // namespace mettle_kernels
