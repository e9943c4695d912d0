// Q5_0 of ggml.
#pragma once

#include <mettle/formats/block.h>

// 32 values d * (q - 16): low four bits as in q4_0, the fifth bit of value i is bit i of qh.
struct block_q5_0 {
    half d;
    uchar qh[4];
    uchar qs[16];
};

namespace mettle_kernels {

// Nibbles with their fifth bits.
template <uint OFFSET_ALIGN, typename Reads, typename P>
METAL_FUNC wide_bytes five_bits(Reads reads, P block, uint part)
{
    const uint high = uint(block->qh[2 * part]) | uint(block->qh[2 * part + 1]) << 8;
    return nibbles(reads.template bytes<OFFSET_ALIGN>(block->qs), part) | spread<4>(high);
}

template <>
struct format<block_q5_0> : block_format<32, 16, false, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{five_bits<2>(reads, block, part), float(block->d), 0.0f};
    }
};

}  // namespace mettle_kernels
