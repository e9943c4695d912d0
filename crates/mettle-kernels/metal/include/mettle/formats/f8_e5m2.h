// Floats of eight bits, with five of exponent, of OxiBonsai.
#pragma once

#include <mettle/formats/block.h>

// 32 values d * v: v is the upper byte of a half (OCP 8-bit Floating Point Specification, E5M2).
struct block_f8_e5m2 {
    uchar v[32];
    half d;
};

namespace mettle_kernels {

template <>
struct format<block_f8_e5m2> : float_block_format<32> {
    template <typename Reads, typename P>
    static METAL_FUNC ScaledFloats unpack(Reads reads, P block, uint part)
    {
        wide_halves halves = in_halves(reads.template bytes<16>(block->v + WIDE * part));
        for (ushort i = 0; i < 8; ++i) {
            halves.pairs[i] <<= 8;
        }
        return ScaledFloats{to_float(halves), float(block->d)};
    }
};

}  // namespace mettle_kernels
