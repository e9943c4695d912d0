// Q2_K of ggml.
#pragma once

#include <mettle/formats/two_bits.h>

// 256 values d * scale * q - dmin * min in sixteen sub-blocks of sixteen: scale and min are the low and the high nibble of
// `scales`, q lies in planes of two bits.
struct block_q2_K {
    uchar scales[16];
    uchar qs[64];
    half d;
    half dmin;
};

namespace mettle_kernels {

template <>
struct format<block_q2_K> : block_format<256, 0, true, 8, 1> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint scales = block->scales[part];
        const float scale = float(block->d) * float(scales & 15);
        const float offset = -float(block->dmin) * float(scales >> 4);
        return Packed{two_bits(reads, block, part), scale, offset};
    }
};

}  // namespace mettle_kernels
