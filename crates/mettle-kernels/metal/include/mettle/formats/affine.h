// MLX's affine formats: codes of 2, 3, 4, 5, 6 or 8 bits with a scale and a bias for each group of 32, 64 or 128 values along a row.
//
// A row is blocks of one group each: scale, bias, 16 bits each, then the codes, value i in bits BITS * i to BITS * (i + 1) - 1 of their
// little-endian bits. A block is whole words, so rows are aligned to four bytes. There are too many of these formats for a type each:
// function constants tell them apart, and to kernels a row is words, of which sixteens are found here. What is a block elsewhere
// is 32 values, which always have a scale in common.
#pragma once

#include <mettle/formats.h>

// Bits of a code.
constant uint BITS [[function_constant(13)]];

// Values of a group.
constant uint GROUP [[function_constant(14)]];

// Scales and biases are bfloats, else halves.
constant bool BF16 [[function_constant(15)]];

namespace mettle_kernels {

// Words of affine blocks.
template <>
struct format<uint> : float_block_format<32> {};

// Words of so many groups.
METAL_FUNC uint affine_words(uint groups) { return groups * (1 + GROUP / 32 * BITS); }

template <>
METAL_FUNC uint row_stride<uint>(uint columns)
{
    return affine_words(columns / GROUP);
}

// Scale and bias from their bits.
METAL_FUNC float2 affine_scale(uint bits)
{
    return BF16 ? float2(as_type<float>(bits << 16), as_type<float>(bits & 0xffff0000)) : float2(as_type<half2>(bits));
}

// The sixteen codes whose bits are the lowest of four words.
METAL_FUNC wide_bytes affine_codes(thread const uint* words)
{
    if (BITS == 8) {
        return wide_bytes(words[0], words[1], words[2], words[3]);
    }
    // Four codes in the low bits of each word.
    wide_bytes four;
#pragma unroll
    for (uint i = 0; i < 4; ++i) {
        const uint word = i * BITS / 8;
        const uint bit = i * BITS * 4 % 32;
        four[i] = words[word] >> bit;
        if (bit + 4 * BITS > 32) {
            four[i] |= words[word + 1] << (32 - bit);
        }
    }
    // Two in each half of it, then one in each byte.
    const uint pair = (1u << (2 * BITS)) - 1;
    const uint one = (1u << BITS) - 1;
    const wide_bytes pairs = (four & pair) | ((four << (16 - 2 * BITS)) & (pair << 16));
    return (pairs & one * 0x00010001) | ((pairs << (8 - BITS)) & one * 0x01000100);
}

// Bytes as floats, without a sign.
METAL_FUNC wide affine_floats(wide_bytes q)
{
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    if (!mettle::lanes_run_together) {
        typedef uchar bytes __attribute__((ext_vector_type(16)));
        return __builtin_convertvector(__builtin_bit_cast(bytes, q), wide);
    }
#endif
    return to_float<0>(q);
}

// Sixteen values of a row of affine blocks, from `part` of 32 values on.
METAL_FUNC wide decode(device const uint* row, uint block, uint part)
{
    const uint blocks = GROUP / 32;
    device const uint* group = row + affine_words(block / blocks);
    // Two sixteens are BITS words. Of an odd number the second begins within a word.
    device const uint* from = group + 1 + block % blocks * BITS + part * (BITS / 2);
    uint words[4];
#pragma unroll
    for (uint i = 0; i < 4; ++i) {
        words[i] = i < (BITS + 1) / 2 ? from[i] : 0;
    }
    if (BITS % 2 == 1 && part == 1) {
#pragma unroll
        for (uint i = 0; i < 3; ++i) {
            words[i] = words[i] >> 16 | words[i + 1] << 16;
        }
    }
    const float2 scale = affine_scale(*group);
    return fma(affine_floats(affine_codes(words)), splat(scale.x), splat(scale.y));
}

METAL_FUNC wide decode_aligned(device const uint* row, uint block, uint part) { return decode(row, block, part); }

}  // namespace mettle_kernels
