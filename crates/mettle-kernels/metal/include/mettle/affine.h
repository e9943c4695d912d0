// MLX's affine formats: codes of 2, 3, 4, 5, 6 or 8 bits with a scale and a bias for each group of 32, 64 or 128 values along a row.
//
// A row is blocks of one group each: scale, bias, 16 bits each, then the codes, value i in bits BITS * i to BITS * (i + 1) - 1 of their
// little-endian bits. Rows are aligned to two bytes. There are too many of these formats for a type and kernels each: function
// constants tell them apart.
#pragma once

#include <metal_stdlib>
#include <mettle/bytes.h>
#include <mettle/wide.h>

using namespace metal;

// Bits of a code.
constant uint BITS [[function_constant(0)]];

// Values of a group.
constant uint GROUP [[function_constant(1)]];

// Scales and biases are bfloats, else halves.
constant bool BF16 [[function_constant(2)]];

namespace mettle_kernels {

// Bytes of a row of `columns` values, whole groups.
METAL_FUNC ulong affine_row_bytes(uint columns) { return ulong(columns / GROUP) * (4 + GROUP / 8 * BITS); }

// A scale or a bias from its bits.
METAL_FUNC float affine_scale(ushort bits)
{
    return BF16 ? as_type<float>(uint(bits) << 16) : float(as_type<half>(bits));
}

// Codes 4 i to 4 i + 3 of sixteen, in the bytes of a word. `words` are as many as a code has bits, sixteen bits each.
METAL_FUNC uint four_codes(thread const uint* words, uint i)
{
    const uint first = i * BITS / 4;
    const uint bits = words[first] | (first + 1 < BITS ? words[first + 1] : 0) << 16;
    const uint codes = bits >> (i * BITS % 4 * 4);
    const uint mask = (1 << BITS) - 1;
    uint bytes = codes & mask;
#pragma unroll
    for (uint j = 1; j < 4; ++j) {
        bytes |= (codes >> (j * BITS) & mask) << (8 * j);
    }
    return bytes;
}

// Sixteen values of a row of whole groups, from value 16 i on.
METAL_FUNC wide decode_affine(device const uchar* row, uint i)
{
    const uint of_group = i % (GROUP / WIDE);
    device const ushort* block = reinterpret_cast<device const ushort*>(row + affine_row_bytes(i / (GROUP / WIDE) * GROUP));
    device const ushort* codes = block + 2 + of_group * BITS;
    uint words[8];
#pragma unroll
    for (uint j = 0; j < 8; ++j) {
        words[j] = j < BITS ? codes[j] : 0;
    }
    const wide_bytes bytes = wide_bytes(four_codes(words, 0), four_codes(words, 1), four_codes(words, 2), four_codes(words, 3));
    // Bytes become floats as signed numbers.
    const wide q = BITS == 8 ? to_float<128>(bytes) + splat(128.0f) : to_float<0>(bytes);
    return fma(q, splat(affine_scale(block[0])), splat(affine_scale(block[1])));
}

}  // namespace mettle_kernels
