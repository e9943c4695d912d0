// The number formats of weights: how sixteen of their values are decoded.
//
// A family of kernels is a template over the element type of its weight rows: float, half, bfloat, or the block of one of
// the headers in formats/. `decode(row, block, part)` gives sixteen consecutive values of a row, `unpack` those of a block
// before they are scaled, and METTLE_FORMATS lists the types with their names, so that a family instantiates itself for
// all of them.
#pragma once

#include <metal_stdlib>
#include <mettle/bytes.h>
#include <mettle/formats/block.h>
#include <mettle/formats/f8_e4m3.h>
#include <mettle/formats/f8_e5m2.h>
#include <mettle/formats/iq4_nl.h>
#include <mettle/formats/iq4_xs.h>
#include <mettle/formats/khq4.h>
#include <mettle/formats/q1_0.h>
#include <mettle/formats/q2_K.h>
#include <mettle/formats/q3.h>
#include <mettle/formats/q3_K.h>
#include <mettle/formats/q4_0.h>
#include <mettle/formats/q4_1.h>
#include <mettle/formats/q4_K.h>
#include <mettle/formats/q5_0.h>
#include <mettle/formats/q5_1.h>
#include <mettle/formats/q5_K.h>
#include <mettle/formats/q6_K.h>
#include <mettle/formats/q8_0.h>
#include <mettle/formats/tq2_0.h>
#include <mettle/formats/tq2_0_g128.h>
#include <mettle/wide.h>

using namespace metal;

namespace mettle_kernels {

struct dense_format {
    static constant constexpr uint values = WIDE;
    static constant constexpr bool dense = true;
    static constant constexpr bool whole_numbers = false;
};

template <>
struct format<float> : dense_format {};
template <>
struct format<half> : dense_format {};
template <>
struct format<bfloat> : dense_format {};

// The distance between two rows of `columns` weights, in elements of W.
template <typename W>
METAL_FUNC uint row_stride(uint columns)
{
    return format<W>::dense ? columns : columns / format<W>::values;
}

// Sixteen values of a row of weights, from `part` of `block` on.
template <typename Block>
METAL_FUNC wide decode(device const Block* row, uint block, uint part)
{
    return values_of<format<Block>>(format<Block>::unpack(FromBlocks(), row + block, part));
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

// INSTANTIATE(name, element type) for every format of weights, and for those of blocks alone. Names are those of `Format` on the host, in any
// case. A family's kernel for MLX's affine formats is in a file of its own, which defines METTLE_AFFINE and includes the family's: it has function
// constants that others have not.
#ifdef METTLE_AFFINE
#include <mettle/formats/affine.h>
#define METTLE_BLOCK_FORMATS(INSTANTIATE) INSTANTIATE(affine, uint)
#define METTLE_FORMATS METTLE_BLOCK_FORMATS
#else
#define METTLE_BLOCK_FORMATS(INSTANTIATE)     \
    INSTANTIATE(q4_0, block_q4_0)             \
    INSTANTIATE(q4_1, block_q4_1)             \
    INSTANTIATE(q5_0, block_q5_0)             \
    INSTANTIATE(q5_1, block_q5_1)             \
    INSTANTIATE(q8_0, block_q8_0)             \
    INSTANTIATE(q2_K, block_q2_K)             \
    INSTANTIATE(q3_K, block_q3_K)             \
    INSTANTIATE(q4_K, block_q4_K)             \
    INSTANTIATE(q5_K, block_q5_K)             \
    INSTANTIATE(q6_K, block_q6_K)             \
    INSTANTIATE(iq4_nl, block_iq4_nl)         \
    INSTANTIATE(iq4_xs, block_iq4_xs)         \
    INSTANTIATE(tq2_0, block_tq2_0)           \
    INSTANTIATE(q1_0, block_q1_0)             \
    INSTANTIATE(tq2_0_g128, block_tq2_0_g128) \
    INSTANTIATE(f8_e4m3, block_f8_e4m3)       \
    INSTANTIATE(f8_e5m2, block_f8_e5m2)       \
    INSTANTIATE(khq4, block_khq4)             \
    INSTANTIATE(q3, block_q3)
#define METTLE_FORMATS(INSTANTIATE) \
    INSTANTIATE(f32, float)         \
    INSTANTIATE(f16, half)          \
    INSTANTIATE(bf16, bfloat)       \
    METTLE_BLOCK_FORMATS(INSTANTIATE)
#endif
