// 32 values of a row of blocks, decoded from words that lie together.
//
// Where threads copy rows for each other, they copy words. A format here says which words 32 values come from, sixteen at most, and decodes them
// eight at a time to halves. A half holds the whole numbers up to 2048; so of formats with a scale alone just the product is rounded, and
// those with an offset are put together in float and rounded once.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>

namespace mettle_kernels {

// Values that are decoded from the same words.
constant constexpr uint VALUES_OF_WORDS = 32;

// What values are: (code - zero) * scale + offset.
struct Decoding {
    half zero;
    float scale;
    float offset;
};

// Four bytes of words that begin after `shift` bits.
METAL_FUNC uint four_bytes(thread const uint* words, uint shift, uint i)
{
    const ulong both = ulong(words[i + 1]) << 32 | words[i];
    return uint(both >> shift);
}

// Four bits, lowest first, each in its byte at 16.
METAL_FUNC uint fifth_bits(uint bits) { return ((bits & 15) * 0x00204081u << 4) & 0x10101010u; }

// Which of four belongs to a chunk: selected, since an array that is indexed would lie in memory.
METAL_FUNC uint of_chunk(uint first, uint second, uint third, uint fourth, uint chunk)
{
    const uint low = chunk % 2 == 0 ? first : second;
    const uint high = chunk % 2 == 0 ? third : fourth;
    return chunk / 2 == 0 ? low : high;
}

// The nibbles of chunk `chunk` of four whose first two have the low ones of sixteen bytes, four at a time.
METAL_FUNC uint nibbles_of(uint low, uint high, uint chunk) { return (chunk % 2 == 0 ? low : high) >> chunk / 2 * 4 & 0x0f0f0f0f; }

// Blocks of 32 values, which may begin in the middle of a word: then the words that they are part of are copied.
template <typename Block>
struct words_of_block {
    static constant constexpr uint count = (sizeof(Block) + 3) / 4;

    // Of rows that begin with a word, every other block of an odd number of half words begins in the middle of one, and the last of a row is one of these.
    static METAL_FUNC uint bytes_before(uint first) { return first / VALUES_OF_WORDS % 2 * (sizeof(Block) % 4); }

    // Which block of a row has the values from `first` on, and at which byte of it word i begins, if nothing comes before it.
    static METAL_FUNC uint block(uint first) { return first / VALUES_OF_WORDS; }
    static METAL_FUNC uint word_at(uint, uint i) { return 4 * i; }

    // Whether the last half of the word is part of the block.
    static METAL_FUNC bool is_whole(uint i) { return 4 * i + 2 < sizeof(Block); }
};

// Formats whose words can be decoded here.
template <typename Block>
struct BlockWords;

template <>
struct BlockWords<block_q4_0> : words_of_block<block_q4_0> {
    static constant constexpr bool has_offset = false;

    static METAL_FUNC Decoding decoding(thread const uint* words, uint shift, uint)
    {
        return Decoding{8.0h, float(as_type<half2>(words[0] >> shift).x), 0.0f};
    }

    // Codes 4 i and on of a chunk, one a byte.
    static METAL_FUNC uint codes(thread const uint* words, uint shift, uint, uint chunk, uint i)
    {
        return nibbles_of(four_bytes(words, shift + 16, i), four_bytes(words, shift + 16, 2 + i), chunk);
    }
};

template <>
struct BlockWords<block_q4_1> : words_of_block<block_q4_1> {
    static constant constexpr bool has_offset = true;

    static METAL_FUNC Decoding decoding(thread const uint* words, uint, uint)
    {
        const float2 d = float2(as_type<half2>(words[0]));
        return Decoding{0.0h, d.x, d.y};
    }

    static METAL_FUNC uint codes(thread const uint* words, uint, uint, uint chunk, uint i)
    {
        return nibbles_of(words[1 + i], words[3 + i], chunk);
    }
};

template <>
struct BlockWords<block_q5_0> : words_of_block<block_q5_0> {
    static constant constexpr bool has_offset = false;

    static METAL_FUNC Decoding decoding(thread const uint* words, uint shift, uint)
    {
        return Decoding{16.0h, float(as_type<half2>(words[0] >> shift).x), 0.0f};
    }

    static METAL_FUNC uint codes(thread const uint* words, uint shift, uint, uint chunk, uint i)
    {
        const uint bits = four_bytes(words, shift + 16, 0) >> (8 * chunk + 4 * i);
        const uint low = four_bytes(words + 1, shift + 16, i);
        return nibbles_of(low, four_bytes(words + 1, shift + 16, 2 + i), chunk) | fifth_bits(bits);
    }
};

template <>
struct BlockWords<block_q5_1> : words_of_block<block_q5_1> {
    static constant constexpr bool has_offset = true;

    static METAL_FUNC Decoding decoding(thread const uint* words, uint, uint)
    {
        const float2 d = float2(as_type<half2>(words[0]));
        return Decoding{0.0h, d.x, d.y};
    }

    static METAL_FUNC uint codes(thread const uint* words, uint, uint, uint chunk, uint i)
    {
        return nibbles_of(words[2 + i], words[4 + i], chunk) | fifth_bits(words[1] >> (8 * chunk + 4 * i));
    }
};

template <>
struct BlockWords<block_q8_0> : words_of_block<block_q8_0> {
    static constant constexpr bool has_offset = false;

    static METAL_FUNC Decoding decoding(thread const uint* words, uint shift, uint)
    {
        return Decoding{128.0h, float(as_type<half2>(words[0] >> shift).x), 0.0f};
    }

    static METAL_FUNC uint codes(thread const uint* words, uint shift, uint, uint chunk, uint i)
    {
        const uint first = four_bytes(words, shift + 16, i);
        const uint second = four_bytes(words, shift + 16, 2 + i);
        const uint third = four_bytes(words, shift + 16, 4 + i);
        return of_chunk(first, second, third, four_bytes(words, shift + 16, 6 + i), chunk) ^ 0x80808080;
    }
};

// Of a sub-block: the head of its block, and the 32 bytes that have its nibbles.
template <>
struct BlockWords<block_q4_K> {
    static constant constexpr uint count = 12;
    static constant constexpr bool has_offset = true;

    static METAL_FUNC uint bytes_before(uint) { return 0; }

    static METAL_FUNC uint block(uint first) { return first / 256; }
    static METAL_FUNC uint word_at(uint first, uint i) { return 4 * i + (i < 4 ? 0 : first % 256 / 64 * 32); }

    static METAL_FUNC bool is_whole(uint) { return true; }

    static METAL_FUNC Decoding decoding(thread const uint* words, uint, uint first)
    {
        const float2 scale =
            scale_and_offset(metal::uint4(words[0], words[1], words[2], words[3]), first % 256 / VALUES_OF_WORDS);
        return Decoding{0.0h, scale.x, scale.y};
    }

    static METAL_FUNC uint codes(thread const uint* words, uint, uint first, uint chunk, uint i)
    {
        const uint bytes = of_chunk(words[4 + i], words[6 + i], words[8 + i], words[10 + i], chunk);
        return bytes >> first / VALUES_OF_WORDS % 2 * 4 & 0x0f0f0f0f;
    }
};

// The values of four codes, one a byte, as halves.
template <typename Words>
METAL_FUNC metal::uint2 halves_of(uint codes, Decoding decoding)
{
    // A half with these bits is 1024 and the code.
    const uint low = 0x64006400 | (codes & 0xff) | (codes & 0xff00) << 8;
    const uint high = 0x64006400 | (codes >> 16 & 0xff) | (codes >> 8 & 0xff0000);
    const half2 zero = half2(1024.0h + decoding.zero);
    const half2 first = as_type<half2>(low) - zero;
    const half2 second = as_type<half2>(high) - zero;
    if (!Words::has_offset) {
        const half2 scale = half2(half(decoding.scale));
        return metal::uint2(as_type<uint>(first * scale), as_type<uint>(second * scale));
    }
    const float2 scale = float2(decoding.scale);
    const float2 offset = float2(decoding.offset);
    return metal::uint2(
        as_type<uint>(half2(metal::fma(float2(first), scale, offset))),
        as_type<uint>(half2(metal::fma(float2(second), scale, offset))));
}

}  // namespace mettle_kernels
