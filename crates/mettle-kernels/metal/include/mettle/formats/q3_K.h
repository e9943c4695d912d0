// Q3_K of ggml.
#pragma once

#include <mettle/formats/two_bits.h>

// 256 values d * (scale - 32) * (q - 4) in sixteen sub-blocks of sixteen. The low two bits of q lie in planes; bit k of
// hmask[i] is the third bit of value 32 k + i. Of the six-bit scales `scales` has the low nibbles of the first eight, then in
// the same bytes as high nibbles those of the others, and in four more bytes planes of the upper two bits.
struct block_q3_K {
    uchar hmask[32];
    uchar qs[64];
    uchar scales[12];
    half d;
};

namespace mettle_kernels {

template <>
struct format<block_q3_K> : block_format<256, 4, false, 8, 1> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const wide_bytes third = (reads.template bytes<16>(block->hmask + 16 * (part % 2)) >> (part / 2)) & 0x01010101u;
        const uint low = block->scales[part % 8] >> (4 * (part / 8)) & 15;
        const uint high = block->scales[8 + part % 4] >> (2 * (part / 4)) & 3;
        const float scale = float(block->d) * float(int(low | high << 4) - 32);
        return Packed{two_bits(reads, block, part) | (third << 2), scale, 0.0f};
    }
};

}  // namespace mettle_kernels
