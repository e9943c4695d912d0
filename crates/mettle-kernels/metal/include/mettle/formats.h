// The number formats of weights: how a block lies in memory and how sixteen of its values are decoded.
//
// A family of kernels is a template over the element type of its weight rows: float, half, bfloat, or one of the block
// structs below. `decode(row, block, part)` gives sixteen consecutive values of a row, and FORMATS lists the types with
// their names, so that a family instantiates itself for all of them.
//
// Layouts are those of ggml (GGUF files): little-endian, blocks packed without padding and aligned to two bytes.
#pragma once

#include <metal_stdlib>
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

// The number of values in a block; dense types come in blocks of sixteen here, without meaning in memory.
template <typename W>
struct format {
    static constant constexpr uint values = 32;
    static constant constexpr bool dense = false;
};

struct dense_format {
    static constant constexpr uint values = WIDE;
    static constant constexpr bool dense = true;
};

struct super_block_format {
    static constant constexpr uint values = 256;
    static constant constexpr bool dense = false;
};

template <>
struct format<float> : dense_format {};
template <>
struct format<half> : dense_format {};
template <>
struct format<bfloat> : dense_format {};
template <>
struct format<block_q4_K> : super_block_format {};
template <>
struct format<block_q5_K> : super_block_format {};
template <>
struct format<block_q6_K> : super_block_format {};

// The distance between two rows of `columns` weights, in elements of W.
template <typename W>
METAL_FUNC uint row_stride(uint columns)
{
    return format<W>::dense ? columns : columns / format<W>::values;
}

// --------------------------------------------------------------------------------------------------------- decoding

// In all of these `part` counts the sixteens of a block. Every product and difference is exact in f32 or rounded once,
// so the result is the same whether or not the compiler contracts it into an fma.

METAL_FUNC wide decode(device const block_q4_0& block, uint part)
{
    const wide_int q = (load(block.qs) >> int(4 * part)) & 15;
    return to_float(q - 8) * splat(float(block.d));
}

METAL_FUNC wide decode(device const block_q4_1& block, uint part)
{
    const wide q = to_float((load(block.qs) >> int(4 * part)) & 15);
    return fma(q, splat(float(block.d)), splat(float(block.m)));
}

METAL_FUNC wide_int five_bits(device const uchar* qs, device const uchar* qh, uint part)
{
    const uint high = uint(qh[2 * part]) | uint(qh[2 * part + 1]) << 8;
    return ((load(qs) >> int(4 * part)) & 15) | (bits(high) << 4);
}

METAL_FUNC wide decode(device const block_q5_0& block, uint part)
{
    return to_float(five_bits(block.qs, block.qh, part) - 16) * splat(float(block.d));
}

METAL_FUNC wide decode(device const block_q5_1& block, uint part)
{
    return fma(to_float(five_bits(block.qs, block.qh, part)), splat(float(block.d)), splat(float(block.m)));
}

METAL_FUNC wide decode(device const block_q8_0& block, uint part)
{
    return to_float(load(block.qs + WIDE * part)) * splat(float(block.d));
}

// The six-bit scale (x) and minimum (y) of sub-block j of a q4_K or q5_K block. Sub-blocks 0 to 3 have theirs in the
// low six bits of bytes j and j + 4; the others have four bits in byte j + 4 and two on top of bytes j - 4 and j.
METAL_FUNC uint2 scale_and_min(device const uchar* scales, uint j)
{
    if (j < 4) {
        return uint2(scales[j] & 63, scales[j + 4] & 63);
    }
    return uint2((scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4, (scales[j + 4] >> 4) | (scales[j] >> 6) << 4);
}

METAL_FUNC wide decode(device const block_q4_K& block, uint part)
{
    const uint j = part / 2;
    const uint2 scale = scale_and_min(block.scales, j);
    const wide q = to_float((load(block.qs + 32 * (j / 2) + 16 * (part % 2)) >> int(4 * (j % 2))) & 15);
    return fma(q, splat(float(block.d) * float(scale.x)), splat(-float(block.dmin) * float(scale.y)));
}

METAL_FUNC wide decode(device const block_q5_K& block, uint part)
{
    const uint j = part / 2;
    const uint2 scale = scale_and_min(block.scales, j);
    const wide_int low = (load(block.qs + 32 * (j / 2) + 16 * (part % 2)) >> int(4 * (j % 2))) & 15;
    const wide_int high = (load(block.qh + 16 * (part % 2)) >> int(j)) & 1;
    const wide q = to_float(low | (high << 4));
    return fma(q, splat(float(block.d) * float(scale.x)), splat(-float(block.dmin) * float(scale.y)));
}

METAL_FUNC wide decode(device const block_q6_K& block, uint part)
{
    const uint half_block = part / 8;
    const uint quarter = part % 8 / 2;
    const uint offset = 16 * (part % 2);
    const wide_int low = load(block.ql + 64 * half_block + 32 * (quarter % 2) + offset) >> int(4 * (quarter / 2));
    const wide_int high = load(block.qh + 32 * half_block + offset) >> int(2 * quarter);
    const wide_int q = (low & 15) | ((high & 3) << 4);
    return to_float(q - 32) * splat(float(block.d) * float(block.scales[part]));
}

// Sixteen values of a row of weights, from `part` of `block` on.
template <typename Block>
METAL_FUNC wide decode(device const Block* row, uint block, uint part)
{
    return decode(row[block], part);
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
