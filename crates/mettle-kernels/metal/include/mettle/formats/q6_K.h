// Q6_K of ggml.
#pragma once

#include <mettle/formats/block.h>

// 256 values d * scale * (q - 32) in sixteen sub-blocks of sixteen. Each half of 128 values has 64 bytes of ql and 32
// of qh: its quarters k = 0 to 3 of 32 values take the low nibbles of the first and second 32 bytes of ql, then their
// high nibbles, and bits 2k and 2k + 1 of qh.
struct block_q6_K {
    uchar ql[128];
    uchar qh[64];
    char scales[16];
    half d;
};

namespace mettle_kernels {

template <>
struct format<block_q6_K> : block_format<256, 32, false, 8, 1> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint half_block = part / 8;
        const uint quarter = part % 8 / 2;
        const uint offset = 16 * (part % 2);
        const wide_bytes low =
            nibbles(reads.template bytes<16>(block->ql + 64 * half_block + 32 * (quarter % 2) + offset), quarter / 2);
        const wide_bytes high = (reads.template bytes<16>(block->qh + 32 * half_block + offset) >> (2 * quarter)) & 0x03030303u;
        return Packed{low | (high << 4), float(block->d) * float(block->scales[part]), 0.0f};
    }
};

}  // namespace mettle_kernels
