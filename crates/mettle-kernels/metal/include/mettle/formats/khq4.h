// KHQ4 of Lattice.
#pragma once

#include <mettle/formats/block.h>

// 32 values scale * q + bias: value 2 i in the low nibble of qs[i], value 2 i + 1 in the high one.
struct block_khq4 {
    half scale;
    half bias;
    uchar qs[16];
};

namespace mettle_kernels {

template <>
struct format<block_khq4> : block_format<32, 0, true, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const wide_bytes bytes = reads.template bytes<4>(block->qs);
        const metal::uint2 eight = part == 0 ? bytes.xy : bytes.zw;
        return Packed{spread_nibbles(eight), float(block->scale), float(block->bias)};
    }
};

}  // namespace mettle_kernels
