// Floats of eight bits, with four of exponent, of OxiBonsai.
#pragma once

#include <mettle/formats/block.h>

// 32 values d * v: v has a sign, four bits of exponent (bias 7) and three of mantissa (OCP 8-bit Floating Point Specification,
// E4M3). There are no infinities; all ones is NaN.
struct block_f8_e4m3 {
    uchar v[32];
    half d;
};

namespace mettle_kernels {

template <>
struct format<block_f8_e4m3> : float_block_format<32> {
    template <typename Reads, typename P>
    static METAL_FUNC ScaledFloats unpack(Reads reads, P block, uint part)
    {
        // Where a half has exponent and mantissa, which makes v 2^-8 times as large: the biases differ by 15 - 7.
        const wide_bytes bytes = reads.template bytes<16>(block->v + WIDE * part);
        wide_halves halves = in_halves(bytes);
        for (ushort i = 0; i < 8; ++i) {
            const uint size = halves.pairs[i] & 0x007f007f;
            const uint all_ones = (size + 0x00010001) >> 7 & 0x00010001;
            halves.pairs[i] = (halves.pairs[i] & 0x00800080) << 8 | size << 7 | all_ones * 0x7c00;
        }
        return ScaledFloats{to_float(halves), 256.0f * float(block->d)};
    }
};

}  // namespace mettle_kernels
