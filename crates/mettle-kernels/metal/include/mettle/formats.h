// The number formats of weights: how a block lies in memory and how sixteen of its values are decoded.
//
// A family of kernels is a template over the element type of its weight rows: float, half, bfloat, or one of the block
// structs below. `decode(row, block, part)` gives sixteen consecutive values of a row, `unpack` those of a block before
// they are scaled, and METTLE_FORMATS lists the types with their names, so that a family instantiates itself for all of
// them.
//
// Layouts are those of ggml (GGUF files): little-endian, blocks packed without padding and aligned to two bytes.
#pragma once

#include <metal_stdlib>
#include <mettle/bytes.h>
#include <mettle/wide.h>

using namespace metal;

// ---------------------------------------------------------------------------------------------------------- layouts

// 32 values d * (q - 8): q in the low nibbles of qs for values 0 to 15, in the high nibbles for 16 to 31.
struct block_q4_0 {
    half d;
    uchar qs[16];
};

// 32 values d * q + m, nibbles as in q4_0.
struct block_q4_1 {
    half d;
    half m;
    uchar qs[16];
};

// 32 values d * (q - 16): low four bits as in q4_0, the fifth bit of value i is bit i of qh.
struct block_q5_0 {
    half d;
    uchar qh[4];
    uchar qs[16];
};

// 32 values d * q + m, bits as in q5_0.
struct block_q5_1 {
    half d;
    half m;
    uchar qh[4];
    uchar qs[16];
};

// 32 values d * q.
struct block_q8_0 {
    half d;
    char qs[32];
};

// 256 values in eight sub-blocks of 32, each d * scale * q - dmin * min. Two sub-blocks share 32 bytes of qs: the low
// nibbles are the first one's, the high nibbles the second one's. `scales` holds eight scales and eight minima of six
// bits each; see `scale_and_min`.
struct block_q4_K {
    half d;
    half dmin;
    uchar scales[12];
    uchar qs[128];
};

// As q4_K, with the fifth bit of value i of sub-block j in bit j of qh[i].
struct block_q5_K {
    half d;
    half dmin;
    uchar scales[12];
    uchar qh[32];
    uchar qs[128];
};

// 256 values d * scale * (q - 32) in sixteen sub-blocks of sixteen. Each half of 128 values has 64 bytes of ql and 32
// of qh: its quarters k = 0 to 3 of 32 values take the low nibbles of the first and second 32 bytes of ql, then their
// high nibbles, and bits 2k and 2k + 1 of qh.
struct block_q6_K {
    uchar ql[128];
    uchar qh[64];
    char scales[16];
    half d;
};

// -------------------------------------------------------------------------------------------------- values of a block

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

// How a format stores values. `values` is their number in a block; dense types come in blocks of sixteen here, without
// meaning in memory. Formats of blocks have
//   unpack(reads, block, part)  sixteen values of a block, whose memory `reads` reads
//   bias                        what is subtracted from their bytes
//   has_offset                  whether their offsets are ever other than zero; then there is no bias
//   sharing                     how many sixteens in a row come from the same bytes
// where `part` counts the sixteens of a block.
template <typename W>
struct format;

template <uint VALUES, int BIAS, bool HAS_OFFSET, uint SHARING>
struct block_format {
    static constant constexpr uint values = VALUES;
    static constant constexpr bool dense = false;
    static constant constexpr int bias = BIAS;
    static constant constexpr bool has_offset = HAS_OFFSET;
    static constant constexpr uint sharing = SHARING;
};

struct dense_format {
    static constant constexpr uint values = WIDE;
    static constant constexpr bool dense = true;
};

template <>
struct format<float> : dense_format {};
template <>
struct format<half> : dense_format {};
template <>
struct format<bfloat> : dense_format {};

// The low nibbles of sixteen bytes for part 0, their high nibbles for part 1.
METAL_FUNC wide_bytes nibbles(wide_bytes bytes, uint part)
{
    return (bytes >> (4 * part)) & 0x0f0f0f0fu;
}

template <>
struct format<block_q4_0> : block_format<32, 8, false, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{nibbles(reads.template bytes<2>(block->qs), part), float(block->d), 0.0f};
    }
};

template <>
struct format<block_q4_1> : block_format<32, 0, true, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{nibbles(reads.template bytes<4>(block->qs), part), float(block->d), float(block->m)};
    }
};

// Nibbles with their fifth bits.
template <uint OFFSET_ALIGN, typename Reads, typename P>
METAL_FUNC wide_bytes five_bits(Reads reads, P block, uint part)
{
    const uint high = uint(block->qh[2 * part]) | uint(block->qh[2 * part + 1]) << 8;
    return nibbles(reads.template bytes<OFFSET_ALIGN>(block->qs), part) | spread<4>(high);
}

template <>
struct format<block_q5_0> : block_format<32, 16, false, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{five_bits<2>(reads, block, part), float(block->d), 0.0f};
    }
};

template <>
struct format<block_q5_1> : block_format<32, 0, true, 2> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        return Packed{five_bits<8>(reads, block, part), float(block->d), float(block->m)};
    }
};

template <>
struct format<block_q8_0> : block_format<32, 128, false, 1> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        // The upper bit inverted adds 128 to each.
        const wide_bytes bytes = reads.template bytes<2>(block->qs + WIDE * part) ^ 0x80808080u;
        return Packed{bytes, float(block->d), 0.0f};
    }
};

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
struct format<block_q4_K> : block_format<256, 0, true, 4> {
    template <typename Reads, typename P>
    static METAL_FUNC Packed unpack(Reads reads, P block, uint part)
    {
        const uint j = part / 2;
        const float2 scale = scale_and_offset(reads.template bytes<16>(block), j);
        const wide_bytes low = nibbles(reads.template bytes<16>(block->qs + 32 * (j / 2) + 16 * (part % 2)), j % 2);
        return Packed{low, scale.x, scale.y};
    }
};

template <>
struct format<block_q5_K> : block_format<256, 0, true, 4> {
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

template <>
struct format<block_q6_K> : block_format<256, 32, false, 8> {
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

// The distance between two rows of `columns` weights, in elements of W.
template <typename W>
METAL_FUNC uint row_stride(uint columns)
{
    return format<W>::dense ? columns : columns / format<W>::values;
}

// --------------------------------------------------------------------------------------------------------- decoding

// Sixteen values of a row of weights, from `part` of `block` on. Every difference is exact in f32, and every value is
// rounded at most twice, with and without contraction into an fma.
template <typename Block>
METAL_FUNC wide decode(device const Block* row, uint block, uint part)
{
    typedef format<Block> weights;
    const Packed x = weights::unpack(FromBlocks(), row + block, part);
    const wide q = to_float<weights::bias>(x.q);
    return weights::has_offset ? fma(q, splat(x.scale), splat(x.offset)) : q * splat(x.scale);
}

METAL_FUNC wide decode(device const float* row, uint block, uint) { return load(row + WIDE * block); }
METAL_FUNC wide decode(device const half* row, uint block, uint) { return load(row + WIDE * block); }
METAL_FUNC wide decode(device const bfloat* row, uint block, uint) { return load(row + WIDE * block); }

// The same from rows of dense weights that are aligned to sixteen bytes.
template <typename Block>
METAL_FUNC wide decode_aligned(device const Block* row, uint block, uint part)
{
    return decode(row, block, part);
}

METAL_FUNC wide decode_aligned(device const float* row, uint block, uint) { return load_aligned(row + WIDE * block); }
METAL_FUNC wide decode_aligned(device const half* row, uint block, uint) { return load_aligned(row + WIDE * block); }
METAL_FUNC wide decode_aligned(device const bfloat* row, uint block, uint) { return load_aligned(row + WIDE * block); }

// The last `count` < 16 values of a row, from value `first` on, then zeros. Only rows of a dense type end within a
// sixteen; rows of blocks never get here.
METAL_FUNC wide decode_tail(device const float* row, uint first, uint count) { return load_some(row + first, count); }
METAL_FUNC wide decode_tail(device const half* row, uint first, uint count) { return load_some(row + first, count); }
METAL_FUNC wide decode_tail(device const bfloat* row, uint first, uint count) { return load_some(row + first, count); }

template <typename Block>
METAL_FUNC wide decode_tail(device const Block*, uint, uint)
{
    return splat(0.0f);
}

// Value i of a row of a dense type; rows of blocks never get here.
METAL_FUNC float value(device const float* row, uint i) { return row[i]; }
METAL_FUNC float value(device const half* row, uint i) { return float(row[i]); }
METAL_FUNC float value(device const bfloat* row, uint i) { return float(row[i]); }

template <typename Block>
METAL_FUNC float value(device const Block*, uint)
{
    return 0.0f;
}

}  // namespace mettle_kernels

// INSTANTIATE(name, element type) for every format of weights.
#define METTLE_FORMATS(INSTANTIATE) \
    INSTANTIATE(f32, float)         \
    INSTANTIATE(f16, half)          \
    INSTANTIATE(bf16, bfloat)       \
    INSTANTIATE(q4_0, block_q4_0)   \
    INSTANTIATE(q4_1, block_q4_1)   \
    INSTANTIATE(q5_0, block_q5_0)   \
    INSTANTIATE(q5_1, block_q5_1)   \
    INSTANTIATE(q8_0, block_q8_0)   \
    INSTANTIATE(q4_K, block_q4_K)   \
    INSTANTIATE(q5_K, block_q5_K)   \
    INSTANTIATE(q6_K, block_q6_K)
