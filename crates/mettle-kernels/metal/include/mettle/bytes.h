// Sixteen bytes at a time: quantised values on their way to floats.
//
// Shifts and masks work on whole words, four bytes each, before anything is widened: a mask follows every shift, so no bit
// passes into the next byte.
#pragma once

#include <metal_stdlib>
#include <mettle/memory.h>
#include <mettle/wide.h>

namespace mettle_kernels {

// Bytes 0 to 3 in the first word, lowest first, and so on.
typedef metal::uint4 wide_bytes;

// The word that memory aligned to ALIGN bytes is read in.
template <uint ALIGN>
struct word_of;
template <>
struct word_of<2> {
    typedef ushort type;
};
template <>
struct word_of<4> {
    typedef uint type;
};
template <>
struct word_of<8> {
    typedef metal::uint2 type;
};
template <>
struct word_of<16> {
    typedef metal::uint4 type;
};

// Sixteen bytes from device or threadgroup memory that is aligned to ALIGN bytes: 2, 4, 8 or 16.
template <uint ALIGN, typename P>
METAL_FUNC wide_bytes load_bytes(P from)
{
    typedef typename word_of<ALIGN>::type word;
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    return mettle::load_unaligned<wide_bytes>(reinterpret_cast<typename pointer_like<word, P>::type>(from));
#else
    constexpr uint words = 16 / sizeof(word);
    union {
        word parts[words];
        wide_bytes bytes;
    } loaded;
    for (uint i = 0; i < words; ++i) {
        loaded.parts[i] = load_as<word>(from, i);
    }
    return loaded.bytes;
#endif
}

// Sixteen bytes from threadgroup memory that is aligned to two bytes: they begin `within` a word or with one. All of the words
// that they are part of is read.
template <typename P>
METAL_FUNC wide_bytes load_bytes_of_words(P from, bool within)
{
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    return mettle::load_from_words<wide_bytes>(reinterpret_cast<typename pointer_like<ushort, P>::type>(from), within);
#else
    return load_bytes<2>(from);
#endif
}

// The sixteen bits of `mask`, lowest first, each in its byte as zero or 1 << BIT, BIT below five.
template <uint BIT>
METAL_FUNC wide_bytes spread(uint mask)
{
    // Bit i of four goes from i to 8 i + BIT by a product with 2^(7 i + BIT), and no two partial products meet.
    const wide_bytes four = (wide_bytes(mask) >> wide_bytes(0, 4, 8, 12)) & 15u;
    return (four * (0x00204081u << BIT)) & (0x01010101u << BIT);
}

// The sixteen pairs of bits of `pairs`, lowest first, each in its byte.
METAL_FUNC wide_bytes spread_pairs(uint pairs)
{
    const wide_bytes four = (wide_bytes(pairs) >> wide_bytes(0, 8, 16, 24)) & 255u;
    return (four | four << 6 | four << 12 | four << 18) & 0x03030303u;
}

// The sixteen nibbles of `nibbles`, lowest first, each in its byte.
METAL_FUNC wide_bytes spread_nibbles(metal::uint2 nibbles)
{
    const wide_bytes two = (nibbles.xxyy >> wide_bytes(0, 16, 0, 16)) & 0xffffu;
    const wide_bytes apart = (two | two << 8) & 0x00ff00ffu;
    return (apart | apart << 4) & 0x0f0f0f0fu;
}

// The bits of sixteen halves, two a word, lower ones first.
struct wide_halves {
    uint pairs[8];
};

// Each byte in the low bits of a half.
METAL_FUNC wide_halves in_halves(wide_bytes bytes)
{
    wide_halves halves;
    for (ushort i = 0; i < 4; ++i) {
        halves.pairs[2 * i] = (bytes[i] & 0xff) | (bytes[i] & 0xff00) << 8;
        halves.pairs[2 * i + 1] = (bytes[i] >> 16 & 0xff) | (bytes[i] >> 8 & 0xff0000);
    }
    return halves;
}

METAL_FUNC wide to_float(wide_halves halves)
{
    wide x;
    for (ushort i = 0; i < 8; ++i) {
        const metal::half2 pair = as_type<metal::half2>(halves.pairs[i]);
        set_element(x, 2 * i, float(pair.x));
        set_element(x, 2 * i + 1, float(pair.y));
    }
    return x;
}

// The bytes of a word as the floats 2^23 + byte.
METAL_FUNC metal::uint4 bytes_in_floats(uint word)
{
    constexpr uint exponent = 0x4b000000;
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    return metal::uint4(
        mettle::permute_bytes<0x7540>(word, exponent), mettle::permute_bytes<0x7541>(word, exponent),
        mettle::permute_bytes<0x7542>(word, exponent), mettle::permute_bytes<0x7543>(word, exponent));
#else
    return ((metal::uint4(word) >> metal::uint4(0, 8, 16, 24)) & 255u) | exponent;
#endif
}

// sum + the products of the four bytes of `a`, unsigned, with those of `b`, which are signed or not.
template <bool SIGNED>
METAL_FUNC int add_products(uint a, uint b, int sum)
{
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    return mettle::add_products<SIGNED>(a, b, sum);
#else
    for (ushort i = 0; i < 4; ++i) {
        const uint byte = b >> (8 * i) & 255;
        sum += int(a >> (8 * i) & 255) * (SIGNED ? int(as_type<char>(uchar(byte))) : int(byte));
    }
    return sum;
#endif
}

// Each byte less OFFSET, between -128 and 127, as a float.
template <int OFFSET>
METAL_FUNC wide to_float(wide_bytes bytes)
{
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    if (!mettle::lanes_run_together) {
        typedef signed char signed_bytes __attribute__((ext_vector_type(16)));
        return __builtin_convertvector(__builtin_bit_cast(signed_bytes, bytes) - (signed char)(OFFSET), wide);
    }
#endif
    // In the low bits of 2^23 a byte becomes a float without a conversion, which GPUs do at a quarter of the rate or less.
    wide x;
    for (ushort i = 0; i < 4; ++i) {
        const metal::uint4 four = bytes_in_floats(bytes[i]);
        for (ushort j = 0; j < 4; ++j) {
            set_element(x, 4 * i + j, as_type<float>(four[j]) - float(0x800000 + OFFSET));
        }
    }
    return x;
}

}  // namespace mettle_kernels
