// Q4_K of ggml.
#pragma once

#include <mettle/formats/block.h>

// 256 values in eight sub-blocks of 32, each d * scale * q - dmin * min. Two sub-blocks share 32 bytes of qs: the low
// nibbles are the first one's, the high nibbles the second one's. `scales` holds eight scales and eight minima of six
// bits each; see `scale_and_offset`.
struct block_q4_K {
    half d;
    half dmin;
    uchar scales[12];
    uchar qs[128];
};

namespace mettle_kernels {

// The scale and the offset of sub-block j of a q4_K or q5_K block from its first sixteen bytes: d, dmin and `scales`.
// Scale and minimum of sub-blocks 0 to 3 lie in the low six bits of bytes j and j + 4 of `scales`; the others have four
// bits each in byte j + 4 and two on top of bytes j - 4 and j.
METAL_FUNC float2 scale_and_offset(wide_bytes head, uint j)
{
    const metal::uint3 bytes = metal::uint3(head.y, head.z, head.w) >> (8 * (j % 4));
    const uint scale = j < 4 ? bytes.x & 63 : (bytes.z & 15) | ((bytes.x >> 2) & 48);
    const uint minimum = j < 4 ? bytes.y & 63 : ((bytes.z >> 4) & 15) | ((bytes.y >> 2) & 48);
    const float2 d = float2(as_type<half2>(head.x));
    return float2(d.x * float(scale), -d.y * float(minimum));
}

template <>
struct format<block_q4_K> : block_format<256, 0, true, 4, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint j = part / 2;
        const float2 scale = scale_and_offset(reads.template bytes<16>(block), j);
        const wide_bytes low = nibbles(reads.template bytes<16>(block->qs + 32 * (j / 2) + 16 * (part % 2)), j % 2);
        return Packed{low, scale.x, scale.y};
    }
};

}  // namespace mettle_kernels
