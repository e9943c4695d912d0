// TQ2_0_g128 of OxiBonsai.
#pragma once

#include <mettle/formats/block.h>

// 128 values d * (q - 1), except that three stands for zero, too: two bits each, in order.
struct block_tq2_0_g128 {
    uchar qs[32];
    half d;
};

namespace mettle_kernels {

template <>
struct format<block_tq2_0_g128> : block_format<128, 1, false, 1, 8> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint low = uint(block->qs[4 * part]) | uint(block->qs[4 * part + 1]) << 8;
        const uint high = uint(block->qs[4 * part + 2]) | uint(block->qs[4 * part + 3]) << 8;
        const wide_bytes q = spread_pairs(low | high << 16);
        // Three becomes one.
        const wide_bytes three = q & (q >> 1) & 0x01010101u;
        return Packed{q ^ (three << 1), float(block->d), 0.0f};
    }
};

}  // namespace mettle_kernels
