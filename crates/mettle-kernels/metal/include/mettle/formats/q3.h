// Q3 of Lattice.
#pragma once

#include <mettle/formats/block.h>

// 32 values scale * q + bias: two bits of q in `low`, the third in `high`, both in order.
struct block_q3 {
    half scale;
    half bias;
    uchar low[8];
    uchar high[4];
};

namespace mettle_kernels {

template <>
struct format<block_q3> : block_format<32, 0, true, 2, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const wide_bytes bytes = reads.template bytes<16>(block);
        const wide_bytes low = spread_pairs(part == 0 ? bytes.y : bytes.z);
        const float2 scale = float2(as_type<half2>(bytes.x));
        return Packed{low | spread<2>(bytes.w >> (16 * part)), scale.x, scale.y};
    }
};

}  // namespace mettle_kernels
