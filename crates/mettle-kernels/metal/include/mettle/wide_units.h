// Units of blocks by vectors of sixteen words, which only our own compiler has: see block_units.h.
#pragma once

#include <mettle/block_units.h>

namespace mettle_kernels {

// All in one load, which four blocks are large enough for, where CPUs would load each into a vector of its own.
template <>
struct ScalesOfUnit<block_q4_0, true> {
    static METAL_FUNC wide of(device const block_q4_0* blocks, metal::float4)
    {
        typedef ushort words __attribute__((ext_vector_type(32)));
        typedef half halves __attribute__((ext_vector_type(16)));
        const words all = mettle::load_unaligned<words>(reinterpret_cast<device const ushort*>(blocks));
        const auto scales = __builtin_shufflevector(all, all, 0, 0, 0, 0, 9, 9, 9, 9, 18, 18, 18, 18, 27, 27, 27, 27);
        return __builtin_convertvector(__builtin_bit_cast(halves, scales), wide);
    }
};

typedef uint eight_words __attribute__((ext_vector_type(8)));

// Words of a block, which is aligned to two bytes.
template <typename V>
METAL_FUNC V load_from_block(device const void* from)
{
    return mettle::load_unaligned<V>(reinterpret_cast<device const ushort*>(from));
}

// Sixteen unsigned bytes, or signed ones.
template <typename Byte>
METAL_FUNC wide bytes_to_float(sixteen_bytes x)
{
    typedef Byte bytes __attribute__((ext_vector_type(16)));
    return __builtin_convertvector(__builtin_bit_cast(bytes, x), wide);
}

// The four values of quarter `index`, four times each.
METAL_FUNC wide four_of_quarter(wide x, uint index)
{
    const four_floats quarter = index == 0 ? x.lo.lo : index == 1 ? x.lo.hi : index == 2 ? x.hi.lo : x.hi.hi;
    return four_of_each(__builtin_bit_cast(metal::float4, quarter));
}

METAL_FUNC wide_words both_halves(eight_words x)
{
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
}

// A number for each quarter of a vector, or for each half.
METAL_FUNC wide_words quarters(uint a, uint b, uint c, uint d) { return wide_words{a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d}; }
METAL_FUNC wide_words halves(uint a, uint b) { return quarters(a, a, b, b); }

// Scales and minima of blocks of eight sub-blocks of 32: those of the first four sub-blocks, four scales and four offsets, then those of the
// others. See `scale_and_offset`.
METAL_FUNC wide scales_and_offsets(sixteen_bytes head)
{
    const sixteen_bytes low = head.yzww >> sixteen_bytes{0, 0, 0, 4} & sixteen_bytes{0x3f3f3f3f, 0x3f3f3f3f, 0x0f0f0f0f, 0x0f0f0f0f};
    const sixteen_bytes high = head.yzyz >> 2 & sixteen_bytes{0, 0, 0x30303030, 0x30303030};
    const metal::float2 d = metal::float2(as_type<metal::half2>(head.x ^ 0x80000000u));
    const wide factors = wide{d.x, d.x, d.x, d.x, d.y, d.y, d.y, d.y, d.x, d.x, d.x, d.x, d.y, d.y, d.y, d.y};
    return bytes_to_float<uchar>(low | high) * factors;
}

// A block of eight sub-blocks with the scales and minima of all, of which a unit has four.
template <typename W>
struct eight_sub_blocks {
    device const W* block;
    wide all;

    static METAL_FUNC eight_sub_blocks unpacked(device const W* block)
    {
        return eight_sub_blocks{block, scales_and_offsets(load_from_block<sixteen_bytes>(block))};
    }

    METAL_FUNC void set_scales(thread Unit<2>& unit, uint index) const
    {
        unit.scales = four_of_quarter(all, 2 * index);
        unit.offsets = four_of_quarter(all, 2 * index + 1);
    }
};

// Sixteen nibbles of each of the four sub-blocks whose codes are 64 bytes: the first or the second half of each.
METAL_FUNC wide_words nibbles_of_four(wide_words codes, uint half_of_each)
{
    const wide_words pairs = half_of_each == 0
        ? __builtin_shufflevector(codes, codes, 0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11)
        : __builtin_shufflevector(codes, codes, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15);
    return pairs >> quarters(0, 4, 0, 4) & 0x0f0f0f0fu;
}

template <bool WHOLE>
struct BlockUnits<block_q4_K, 2, WHOLE> : eight_sub_blocks<block_q4_K> {
    using eight_sub_blocks<block_q4_K>::block;

    static METAL_FUNC BlockUnits of(device const block_q4_K* block, uint) { return BlockUnits{BlockUnits::unpacked(block)}; }

    METAL_FUNC Unit<2> unit(uint index) const
    {
        const wide_words codes = load_from_block<wide_words>(block->qs + 64 * index);
        Unit<2> unit;
        unit.q[0] = nibbles_of_four(codes, 0);
        unit.q[1] = nibbles_of_four(codes, 1);
        this->set_scales(unit, index);
        return unit;
    }
};

template <bool WHOLE>
struct BlockUnits<block_q5_K, 2, WHOLE> : eight_sub_blocks<block_q5_K> {
    using eight_sub_blocks<block_q5_K>::block;

    static METAL_FUNC BlockUnits of(device const block_q5_K* block, uint) { return BlockUnits{BlockUnits::unpacked(block)}; }

    METAL_FUNC Unit<2> unit(uint index) const
    {
        const wide_words codes = load_from_block<wide_words>(block->qs + 64 * index);
        Unit<2> unit;
#pragma unroll
        for (uint i = 0; i < 2; ++i) {
            const sixteen_bytes bits = load_from_block<sixteen_bytes>(block->qh + 16 * i);
            const wide_words each = __builtin_shufflevector(bits, bits, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
            // Bit j for sub-block j.
            const wide_words fifth = index == 0 ? each << quarters(4, 3, 2, 1) : each >> quarters(0, 1, 2, 3);
            unit.q[i] = nibbles_of_four(codes, i) | (fifth & 0x10101010u);
        }
        this->set_scales(unit, index);
        return unit;
    }
};

template <bool WHOLE>
struct BlockUnits<block_q6_K, 1, WHOLE> {
    device const block_q6_K* block;
    wide all;

    static METAL_FUNC BlockUnits of(device const block_q6_K* block, uint)
    {
        return BlockUnits{block, bytes_to_float<signed char>(load_from_block<sixteen_bytes>(block->scales)) * splat(float(block->d))};
    }

    METAL_FUNC Unit<1> unit(uint index) const
    {
        // Two units share the bytes of a half.
        const wide_words low = load_from_block<wide_words>(block->ql + 64 * (index / 2));
        const wide_words high = both_halves(load_from_block<eight_words>(block->qh + 32 * (index / 2)));
        const wide_words nibbles = low >> (4 * (index % 2)) & 0x0f0f0f0fu;
        const wide_words upper = index % 2 == 0 ? high << halves(4, 2) : high >> halves(0, 2);
        Unit<1> unit;
        unit.q[0] = nibbles | (upper & 0x30303030u);
        unit.scales = four_of_quarter(all, index);
        return unit;
    }
};

// A unit of the codes of two bits that `two_bits` describes.
METAL_FUNC wide_words two_bits_of_unit(device const uchar* qs, uint index)
{
    const wide_words planes = both_halves(load_from_block<eight_words>(qs + 32 * (index / 2)));
    const uint shift = 4 * (index % 2);
    return planes >> halves(shift, shift + 2) & 0x03030303u;
}

template <bool WHOLE>
struct BlockUnits<block_q2_K, 1, WHOLE> {
    device const block_q2_K* block;
    wide scales;
    wide offsets;

    static METAL_FUNC BlockUnits of(device const block_q2_K* block, uint)
    {
        const sixteen_bytes bytes = load_from_block<sixteen_bytes>(block->scales);
        const wide scales = bytes_to_float<uchar>(bytes & 0x0f0f0f0fu) * splat(float(block->d));
        const wide offsets = bytes_to_float<uchar>(bytes >> 4 & 0x0f0f0f0fu) * splat(-float(block->dmin));
        return BlockUnits{block, scales, offsets};
    }

    METAL_FUNC Unit<1> unit(uint index) const
    {
        Unit<1> unit;
        unit.q[0] = two_bits_of_unit(block->qs, index);
        unit.scales = four_of_quarter(scales, index);
        unit.offsets = four_of_quarter(offsets, index);
        return unit;
    }
};

template <bool WHOLE>
struct BlockUnits<block_q3_K, 1, WHOLE> {
    device const block_q3_K* block;
    wide all;

    static METAL_FUNC BlockUnits of(device const block_q3_K* block, uint)
    {
        // The last twelve bytes and d are the ends of this.
        const sixteen_bytes end = load_from_block<sixteen_bytes>(block->scales - 2);
        typedef uchar bytes __attribute__((ext_vector_type(16)));
        const bytes each = __builtin_bit_cast(bytes, end);
        const auto words = __builtin_bit_cast(sixteen_bytes, __builtin_shufflevector(each, each, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 14, 15));
        const sixteen_bytes low = words.xyxy >> sixteen_bytes{0, 0, 4, 4} & 0x0f0f0f0fu;
        const sixteen_bytes high = words.zzzz >> sixteen_bytes{0, 2, 4, 6} & 0x03030303u;
        const wide scales = bytes_to_float<uchar>(low | high << 4) - splat(32.0f);
        return BlockUnits{block, scales * splat(float(block->d))};
    }

    METAL_FUNC Unit<1> unit(uint index) const
    {
        const wide_words thirds = both_halves(load_from_block<eight_words>(block->hmask));
        // Bits 2 * index and 2 * index + 1.
        const wide_words third = index == 0 ? thirds << halves(2, 1) : thirds >> halves(2 * index - 2, 2 * index - 1);
        Unit<1> unit;
        unit.q[0] = two_bits_of_unit(block->qs, index) | (third & 0x04040404u);
        unit.scales = four_of_quarter(all, index);
        return unit;
    }
};

}  // namespace mettle_kernels
