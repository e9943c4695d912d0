// Vectors of rows of caches: neighbouring values that are asked for together and become floats later.
#pragma once

#include <metal_stdlib>

#include <mettle/kv_rows.h>

using namespace metal;

namespace mettle_kernels {

// Neighbouring values of a row, as they lie in memory: nothing waits for them before value() does. `load(from, row, i)` asks for vector i
// of the row that begins `row` vectors behind `from`. Of dense types it is sixteen bytes. Where values are codes, `load_levels` brings
// what they stand for to threadgroup memory; others have no `levels`, and the room of one.
template <typename T>
struct Vector;

struct without_levels {
    static constant constexpr uint levels = 1;
    static METAL_FUNC void load_levels(threadgroup float*, uint, uint) {}
};

template <typename T>
struct dense_vector : without_levels {
    uint4 bits;
    METAL_FUNC void load(device const T* from, uint row, uint i) { bits = load_as<uint4>(from, row + i); }
};

template <>
struct Vector<float> : dense_vector<float> {
    static constant constexpr uint values = 4;
    METAL_FUNC float value(uint i, threadgroup const float*) const { return as_type<float>(bits[i]); }
};

template <>
struct Vector<half> : dense_vector<half> {
    static constant constexpr uint values = 8;
    METAL_FUNC float value(uint i, threadgroup const float*) const { return float(as_type<half2>(bits[i / 2])[i % 2]); }
};

template <>
struct Vector<bfloat> : dense_vector<bfloat> {
    static constant constexpr uint values = 8;
    METAL_FUNC float value(uint i, threadgroup const float*) const
    {
        const uint pair = bits[i / 2];
        return as_type<float>(i % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
    }
};

// A quarter of a block: eight bytes, of which each value has its own, or a half that `shift` brings to the lower end.
template <typename Block>
struct block_vector : without_levels {
    static constant constexpr uint values = 8;
    static constant constexpr uint of_block = format<Block>::values / values;
    ushort codes[4];
    half d;

    METAL_FUNC void load_codes(device const Block* block, uint eight)
    {
        // Blocks are aligned to two bytes.
#pragma unroll
        for (uint i = 0; i < 4; ++i) {
            codes[i] = load_as<ushort>(block->qs, 4 * eight + i);
        }
        d = block->d;
    }

    // Byte i, to which `bias` is added, as a float.
    METAL_FUNC float scaled(uint word, uint i, float bias) const
    {
        return float(d) * (as_type<float>(bytes_in_floats(word)[i % 4]) - (8388608.0f + bias));
    }

    METAL_FUNC uint word(uint i) const { return uint(codes[i / 4 * 2]) | uint(codes[i / 4 * 2 + 1]) << 16; }
};

template <>
struct Vector<block_q8_0> : block_vector<block_q8_0> {
    METAL_FUNC void load(device const block_q8_0* from, uint row, uint i)
    {
        load_codes(from + row / of_block + i / of_block, i % of_block);
    }

    // The upper bit inverted adds 128 to each byte.
    METAL_FUNC float value(uint i, threadgroup const float*) const { return scaled(word(i) ^ 0x80808080u, i, 128.0f); }
};

template <>
struct Vector<block_q4_0> : block_vector<block_q4_0> {
    uint shift;

    METAL_FUNC void load(device const block_q4_0* from, uint row, uint i)
    {
        shift = i % of_block / 2 * 4;
        load_codes(from + row / of_block + i / of_block, i % 2);
    }

    METAL_FUNC float value(uint i, threadgroup const float*) const { return scaled(word(i) >> shift & 0x0f0f0f0fu, i, 8.0f); }
};

}  // namespace mettle_kernels

#ifdef METTLE_TURBO
#include <mettle/turbo_vectors.h>
#endif
