// What the formats of weights have in common: how sixteen values of a block are taken out of memory.
//
// Each header beside this one describes a format: the block as it lies in memory, and `format` of it. Blocks are
// little-endian, packed without padding and aligned to two bytes.
#pragma once

#include <metal_stdlib>
#include <mettle/bytes.h>
#include <mettle/wide.h>

using namespace metal;

namespace mettle_kernels {

// How bytes of a block are read. `bytes<OFFSET_ALIGN>(from)` are sixteen bytes; the largest power of two that divides their
// offset in the block, up to sixteen, is OFFSET_ALIGN. Here from blocks that are aligned to two bytes.
struct FromBlocks {
    template <uint OFFSET_ALIGN, typename P>
    METAL_FUNC wide_bytes bytes(P from) const
    {
        return load_bytes<2>(from);
    }
};

// From blocks in threadgroup memory that are aligned to BLOCK_ALIGN bytes, in whole words of which all is there.
template <uint BLOCK_ALIGN>
struct FromWords {
    // Whether the block begins in the middle of a word.
    bool odd;

    template <uint OFFSET_ALIGN, typename P>
    METAL_FUNC wide_bytes bytes(P from) const
    {
        constexpr uint align = OFFSET_ALIGN < BLOCK_ALIGN ? OFFSET_ALIGN : BLOCK_ALIGN;
        return BLOCK_ALIGN == 2 ? load_bytes_of_words(from, odd != (OFFSET_ALIGN == 2)) : load_bytes<align>(from);
    }
};

// Sixteen values of a block: scale * (q - bias) + offset each, with the bias of their format.
struct Packed {
    wide_bytes q;
    float scale;
    float offset;
};

// Sixteen values of a block whose codes are no whole numbers: scale * value each.
struct ScaledFloats {
    wide values;
    float scale;
};

// How a format stores values. `values` is their number in a block; dense types come in blocks of sixteen here, without
// meaning in memory. Formats of blocks have
//   unpack(reads, block, part)  sixteen values of a block, whose memory `reads` reads: Packed or ScaledFloats
// where `part` counts the sixteens of a block. Where it gives bytes, `whole_numbers`, they also have
//   bias                        what is subtracted from the bytes
//   has_offset                  whether offsets are ever other than zero; then there is no bias
//   sharing                     how many sixteens in a row come from the same bytes
//   run                         how many sixteens in a row have the same scale and offset
template <typename W>
struct format;

template <uint VALUES, int BIAS, bool HAS_OFFSET, uint SHARING, uint RUN>
struct block_format {
    static constant constexpr uint values = VALUES;
    static constant constexpr bool dense = false;
    static constant constexpr bool whole_numbers = true;
    static constant constexpr int bias = BIAS;
    static constant constexpr bool has_offset = HAS_OFFSET;
    static constant constexpr uint sharing = SHARING;
    static constant constexpr uint run = RUN;
};

template <uint VALUES>
struct float_block_format {
    static constant constexpr uint values = VALUES;
    static constant constexpr bool dense = false;
    static constant constexpr bool whole_numbers = false;
};

// The values of format F that `x` stands for. Every difference is exact in f32, and every value is rounded at most twice,
// with and without contraction into an fma.
template <typename F>
METAL_FUNC wide values_of(Packed x)
{
    const wide q = to_float<F::bias>(x.q);
    return F::has_offset ? fma(q, splat(x.scale), splat(x.offset)) : q * splat(x.scale);
}

template <typename F>
METAL_FUNC wide values_of(ScaledFloats x)
{
    return x.values * splat(x.scale);
}

// The low nibbles of sixteen bytes for part 0, their high nibbles for part 1.
METAL_FUNC wide_bytes nibbles(wide_bytes bytes, uint part)
{
    return (bytes >> (4 * part)) & 0x0f0f0f0fu;
}

}  // namespace mettle_kernels
