// Q5_K of ggml.
#pragma once

#include <mettle/formats/q4_K.h>

// As q4_K, with the fifth bit of value i of sub-block j in bit j of qh[i].
struct block_q5_K {
    half d;
    half dmin;
    uchar scales[12];
    uchar qh[32];
    uchar qs[128];
};

namespace mettle_kernels {

template <>
struct format<block_q5_K> : block_format<256, 0, true, 4, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint j = part / 2;
        const float2 scale = scale_and_offset(reads.template bytes<16>(block), j);
        const wide_bytes low = nibbles(reads.template bytes<16>(block->qs + 32 * (j / 2) + 16 * (part % 2)), j % 2);
        const wide_bytes high = (reads.template bytes<16>(block->qh + 16 * (part % 2)) >> j) & 0x01010101u;
        return Packed{low | (high << 4), scale.x, scale.y};
    }
};

}  // namespace mettle_kernels
