// Sixteen words at a time: bytes of weights and digits of activations, four in a word, and sums of their products.
//
// With our own compiler they are clang vectors, as `wide` is; elsewhere four vectors of four.
#pragma once

#include <metal_stdlib>
#include <mettle/bytes.h>

namespace mettle_kernels {

#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)

typedef uint wide_words __attribute__((ext_vector_type(16)));

// Four times sixteen bytes behind each other.
METAL_FUNC wide_words join(wide_bytes a, wide_bytes b, wide_bytes c, wide_bytes d)
{
    wide_words words;
    words.lo.lo = __builtin_bit_cast(sixteen_bytes, a);
    words.lo.hi = __builtin_bit_cast(sixteen_bytes, b);
    words.hi.lo = __builtin_bit_cast(sixteen_bytes, c);
    words.hi.hi = __builtin_bit_cast(sixteen_bytes, d);
    return words;
}

// Each of four values four times.
METAL_FUNC wide four_of_each(metal::float4 values)
{
    const four_floats x = __builtin_bit_cast(four_floats, values);
    return __builtin_shufflevector(x, x, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
}

METAL_FUNC wide_int splat_int(int x) { return wide_int(x); }

// The nearest whole numbers.
METAL_FUNC wide_int round_to_int(wide x) { return __builtin_convertvector(__builtin_elementwise_rint(x), wide_int); }

METAL_FUNC wide to_float(wide_int x) { return __builtin_convertvector(x, wide); }

// Byte N of each of four times sixteen, from the lowest on.
template <uint N>
METAL_FUNC wide_words bytes_of_each(thread const wide_int* x)
{
    typedef uchar bytes __attribute__((ext_vector_type(16)));
    sixteen_bytes of_each[4];
#pragma unroll
    for (ushort i = 0; i < 4; ++i) {
        of_each[i] = __builtin_bit_cast(sixteen_bytes, __builtin_convertvector(x[i] >> (8 * N), bytes));
    }
    return join(
        __builtin_bit_cast(wide_bytes, of_each[0]), __builtin_bit_cast(wide_bytes, of_each[1]),
        __builtin_bit_cast(wide_bytes, of_each[2]), __builtin_bit_cast(wide_bytes, of_each[3]));
}

// What becomes of the sixteen values of each of four by an operation between every two halves.
#define METTLE_REDUCE_EACH(name, operation)                                                                                \
    METAL_FUNC metal::float4 name(thread const wide* x)                                                                    \
    {                                                                                                                      \
        wide eights[2];                                                                                                    \
        for (ushort i = 0; i < 2; ++i) {                                                                                   \
            const wide a = x[2 * i], b = x[2 * i + 1];                                                                     \
            const wide low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);        \
            const wide high = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31); \
            eights[i] = operation(low, high);                                                                              \
        }                                                                                                                  \
        const wide a = eights[0], b = eights[1];                                                                           \
        const wide low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);          \
        const wide high = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);       \
        const wide fours = operation(low, high);                                                                           \
        const eight_floats twos = operation(fours.even, fours.odd);                                                        \
        return __builtin_bit_cast(metal::float4, operation(twos.even, twos.odd));                                          \
    }
#define METTLE_SUM(a, b) ((a) + (b))
#define METTLE_LARGER(a, b) ((a) > (b) ? (a) : (b))
METTLE_REDUCE_EACH(sum_of_each, METTLE_SUM)
METTLE_REDUCE_EACH(largest_of_each, METTLE_LARGER)
#undef METTLE_LARGER
#undef METTLE_SUM
#undef METTLE_REDUCE_EACH

METAL_FUNC wide_int add(wide_int a, int b) { return a + b; }

METAL_FUNC wide_int add(wide_int a, wide_int b) { return a + b; }

METAL_FUNC wide_int exclusive_or(wide_int a, int b) { return a ^ b; }

METAL_FUNC wide_int negative(wide_int a) { return -a; }

template <uint BITS>
METAL_FUNC wide_int shift_left(wide_int a)
{
    return a << BITS;
}

// Asks for the memory at a number of bytes from here, which will be read soon.
METAL_FUNC void prefetch(device const void* from, uint bytes)
{
    __builtin_prefetch(reinterpret_cast<device const char*>(from) + bytes);
}

METAL_FUNC wide_words load_words(threadgroup const float* from) { return mettle::load_unaligned<wide_words>(from); }

METAL_FUNC wide_int load_ints(threadgroup const float* from) { return mettle::load_unaligned<wide_int>(from); }

METAL_FUNC wide load_wide(threadgroup const float* from) { return mettle::load_unaligned<wide>(from); }

METAL_FUNC void store_words(threadgroup float* to, wide_words x) { __builtin_memcpy(to, &x, sizeof(x)); }

METAL_FUNC void store_ints(threadgroup float* to, wide_int x) { __builtin_memcpy(to, &x, sizeof(x)); }

METAL_FUNC void store_wide(threadgroup float* to, wide x) { __builtin_memcpy(to, &x, sizeof(x)); }

// sums[i] + the products of the four bytes of a[i], unsigned and below 128, with those of b[i], signed.
METAL_FUNC wide_int add_products(wide_words a, wide_words b, wide_int sums)
{
    return mettle::add_products_of_each(a, b, sums);
}

#else

struct wide_words {
    metal::uint4 quad[4];
};

struct wide_int {
    metal::int4 quad[4];
};

METAL_FUNC wide_words join(wide_bytes a, wide_bytes b, wide_bytes c, wide_bytes d) { return wide_words{{a, b, c, d}}; }

METAL_FUNC wide four_of_each(metal::float4 values)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::float4(values[i]);
    }
    return result;
}

METAL_FUNC wide_int splat_int(int x)
{
    wide_int result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::int4(x);
    }
    return result;
}

METAL_FUNC wide_int round_to_int(wide x)
{
    wide_int result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::int4(metal::rint(x.quad[i]));
    }
    return result;
}

METAL_FUNC wide to_float(wide_int x)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::float4(x.quad[i]);
    }
    return result;
}

template <uint N>
METAL_FUNC wide_words bytes_of_each(thread const wide_int* x)
{
    wide_words words;
    for (ushort i = 0; i < 4; ++i) {
        for (ushort j = 0; j < 4; ++j) {
            const metal::uint4 byte = as_type<metal::uint4>(x[i].quad[j]) >> (8 * N) & 255u;
            words.quad[i][j] = byte.x | byte.y << 8 | byte.z << 16 | byte.w << 24;
        }
    }
    return words;
}

METAL_FUNC metal::float4 sum_of_each(thread const wide* x) { return metal::float4(sum(x[0]), sum(x[1]), sum(x[2]), sum(x[3])); }

METAL_FUNC metal::float4 largest_of_each(thread const wide* x)
{
    return metal::float4(largest(x[0]), largest(x[1]), largest(x[2]), largest(x[3]));
}

METAL_FUNC wide_int add(wide_int a, int b)
{
    for (ushort i = 0; i < 4; ++i) {
        a.quad[i] += b;
    }
    return a;
}

METAL_FUNC wide_int add(wide_int a, wide_int b)
{
    for (ushort i = 0; i < 4; ++i) {
        a.quad[i] += b.quad[i];
    }
    return a;
}

METAL_FUNC wide_int exclusive_or(wide_int a, int b)
{
    for (ushort i = 0; i < 4; ++i) {
        a.quad[i] ^= b;
    }
    return a;
}

METAL_FUNC wide_int negative(wide_int a)
{
    for (ushort i = 0; i < 4; ++i) {
        a.quad[i] = -a.quad[i];
    }
    return a;
}

template <uint BITS>
METAL_FUNC wide_int shift_left(wide_int a)
{
    for (ushort i = 0; i < 4; ++i) {
        a.quad[i] = a.quad[i] << BITS;
    }
    return a;
}

METAL_FUNC void prefetch(device const void*, uint) {}

METAL_FUNC wide_words load_words(threadgroup const float* from)
{
    wide_words words;
    for (ushort i = 0; i < 4; ++i) {
        words.quad[i] = load_as<metal::uint4>(from, i);
    }
    return words;
}

METAL_FUNC wide_int load_ints(threadgroup const float* from)
{
    wide_int ints;
    for (ushort i = 0; i < 4; ++i) {
        ints.quad[i] = load_as<metal::int4>(from, i);
    }
    return ints;
}

METAL_FUNC wide load_wide(threadgroup const float* from) { return load_quads(from); }

METAL_FUNC void store_words(threadgroup float* to, wide_words x)
{
    for (ushort i = 0; i < 4; ++i) {
        store_as(to, i, x.quad[i]);
    }
}

METAL_FUNC void store_ints(threadgroup float* to, wide_int x)
{
    for (ushort i = 0; i < 4; ++i) {
        store_as(to, i, x.quad[i]);
    }
}

METAL_FUNC void store_wide(threadgroup float* to, wide x)
{
    for (ushort i = 0; i < 4; ++i) {
        store_as(to, i, x.quad[i]);
    }
}

METAL_FUNC wide_int add_products(wide_words a, wide_words b, wide_int sums)
{
    for (ushort i = 0; i < 4; ++i) {
        for (ushort j = 0; j < 4; ++j) {
            sums.quad[i][j] = add_products<true>(a.quad[i][j], b.quad[i][j], sums.quad[i][j]);
        }
    }
    return sums;
}

#endif

}  // namespace mettle_kernels
