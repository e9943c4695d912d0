// Activations as whole numbers of three digits, which processors with products of bytes multiply with the bytes of weights.
//
// Sixteen floats share a step, the largest of them over 127. Each is step * (a + (256 b + c) / 65534) with whole numbers a,
// -127 to 127, b, -128 to 127, and c, 0 to 255: 24 bits of the largest, as many as a float has of itself. Sums of products
// with unsigned bytes are exact, so that only three sums of sixteen are rounded instead of sixteen products. Where a value is
// larger than all others together, what its step leaves out of them may be more than rounding does elsewhere; then products
// with the digits of that are added, too.
#pragma once

#include <metal_stdlib>
#include <mettle/bytes.h>

namespace mettle_kernels {

// Words that sixteen values take in threadgroup memory, as many as their floats.
constant constexpr uint DIGIT_WORDS = 16;

// Values below this lose bits: 24 bits of it are the smallest normal number.
constant constexpr float SMALLEST_WITH_DIGITS = 2e-31f;

struct Digits {
    metal::uint4 a;
    metal::uint4 b;
    metal::uint4 c;
    float step;
    // Where the sums of products with a, b and c start, so that the bias of the weights is subtracted.
    metal::int3 starts;
    // Sums of a and of 256 b + c; nothing in them when the weights have no offset.
    float upper;
    float lower;
};

#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
// Whole numbers below 2^22 are kept as the bits of floats that they are added to 1.5 * 2^23 in: both ways, that is a
// subtraction, where conversions run at an eighth of the rate of one.
constant constexpr int ZERO_COUNT = 0x4b400000;

METAL_FUNC int count_of(float x) { return as_type<int>(x + as_type<float>(ZERO_COUNT)); }
METAL_FUNC float float_of(int count) { return as_type<float>(count) - as_type<float>(ZERO_COUNT); }
#else
constant constexpr int ZERO_COUNT = 0;

METAL_FUNC int count_of(float x) { return int(rint(x)); }
METAL_FUNC float float_of(int count) { return float(count); }
#endif

// Bytes 0 of four words in the first word, bytes 1 in the second.
METAL_FUNC metal::uint2 two_bytes_of_each(metal::int4 words)
{
    const metal::uint4 w = as_type<metal::uint4>(words);
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    const uint low = mettle::permute_bytes<0x5140>(w.x, w.y);
    const uint high = mettle::permute_bytes<0x5140>(w.z, w.w);
    return metal::uint2(mettle::permute_bytes<0x5410>(low, high), mettle::permute_bytes<0x7632>(low, high));
#else
    const metal::uint4 first = w & 255u;
    const metal::uint4 second = w >> 8 & 255u;
    return metal::uint2(
        first.x | first.y << 8 | first.z << 16 | first.w << 24, second.x | second.y << 8 | second.z << 16 | second.w << 24);
#endif
}

// The step of sixteen values, and its reciprocal.
struct Step {
    float size;
    float reciprocal;
    bool finite;  // whether all values are
};

METAL_FUNC Step step_of(wide x)
{
    uint bits = 0;
    for (ushort i = 0; i < WIDE; ++i) {
        bits = metal::max(bits, as_type<uint>(element(x, i)) & 0x7fffffff);
    }
    const float largest = metal::fmax(as_type<float>(bits), SMALLEST_WITH_DIGITS);
    return Step{largest * (1.0f / 127.0f), 127.0f / largest, bits < 0x7f800000};
}

// The whole numbers a and 256 b + c of a value, as counts.
struct Counts {
    int upper;
    int lower;
};

METAL_FUNC Counts counts_of(float value, Step step)
{
    const int upper = count_of(value * step.reciprocal);
    const float rest = metal::fma(-float_of(upper), step.size, value);
    return Counts{upper, count_of(rest * (65534.0f * step.reciprocal))};
}

// What the digits of sixteen values leave out of them.
METAL_FUNC wide left_out_by_digits(wide x)
{
    const Step step = step_of(x);
    wide left_out;
    for (ushort i = 0; i < WIDE; ++i) {
        const Counts counts = counts_of(element(x, i), step);
        const float rest = metal::fma(-float_of(counts.upper), step.size, element(x, i));
        set_element(left_out, i, metal::fma(-float_of(counts.lower), step.size * (1.0f / 65534.0f), rest));
    }
    return left_out;
}

// The digits of sixteen values, for weights of format F. A step of NaN stands for values that are not all finite.
template <typename F>
METAL_FUNC Digits digits_of(wide x)
{
    const Step step = step_of(x);
    Digits digits;
    digits.step = step.finite ? step.size : NAN;
    for (ushort i = 0; i < 4; ++i) {
        metal::int4 upper;
        metal::int4 lower;
        for (ushort j = 0; j < 4; ++j) {
            const Counts counts = counts_of(element(x, 4 * i + j), step);
            upper[j] = counts.upper;
            lower[j] = counts.lower;
        }
        const metal::uint2 bytes = two_bytes_of_each(lower);
        digits.a[i] = two_bytes_of_each(upper).x;
        digits.b[i] = bytes.y;
        digits.c[i] = bytes.x;
    }
    metal::int3 sums = 0;
    constexpr uint ones = 0x01010101;
    for (ushort i = 0; i < 4; ++i) {
        sums.x = add_products<true>(ones, digits.a[i], sums.x);
        sums.y = add_products<true>(ones, digits.b[i], sums.y);
        sums.z = add_products<false>(ones, digits.c[i], sums.z);
    }
    digits.starts = ZERO_COUNT - F::bias * sums;
    digits.upper = float(sums.x);
    digits.lower = float(256 * sums.y + sums.z);
    return digits;
}

// Digits in DIGIT_WORDS words of threadgroup memory.
template <typename F>
METAL_FUNC void store_digits(threadgroup float* to, Digits digits)
{
    store_as(to, 0, digits.a);
    store_as(to, 1, digits.b);
    store_as(to, 2, digits.c);
    const metal::float4 rest = F::has_offset ? metal::float4(digits.step, digits.upper, digits.lower, 0.0f)
                                             : metal::float4(digits.step, as_type<metal::float3>(digits.starts));
    store_as(to, 3, rest);
}

template <typename F>
METAL_FUNC Digits load_digits(threadgroup const float* from)
{
    const metal::float4 rest = load_as<metal::float4>(from, 3);
    Digits digits;
    digits.a = load_as<metal::uint4>(from, 0);
    digits.b = load_as<metal::uint4>(from, 1);
    digits.c = load_as<metal::uint4>(from, 2);
    digits.step = rest.x;
    digits.starts = F::has_offset ? metal::int3(ZERO_COUNT) : as_type<metal::int3>(rest.yzw);
    digits.upper = rest.y;
    digits.lower = rest.z;
    return digits;
}

// The largest absolute value that has these digits.
METAL_FUNC float largest_of(Digits digits) { return 127.0f * digits.step; }

// sum + the products of sixteen weights of format F with sixteen values.
template <typename F>
METAL_FUNC float add_products(Packed weights, Digits x, float sum)
{
    metal::int3 counts = x.starts;
    for (ushort i = 0; i < 4; ++i) {
        counts.x = add_products<true>(weights.q[i], x.a[i], counts.x);
        counts.y = add_products<true>(weights.q[i], x.b[i], counts.y);
        counts.z = add_products<false>(weights.q[i], x.c[i], counts.z);
    }
    const float upper = float_of(counts.x);
    const float lower = metal::fma(float_of(counts.y), 256.0f, float_of(counts.z));
    if (!F::has_offset) {
        return metal::fma(weights.scale * x.step, metal::fma(lower, 1.0f / 65534.0f, upper), sum);
    }
    // Offsets nearly undo the rest where a weight is near zero: the two meet before anything else is rounded.
    const float of_upper = metal::fma(weights.scale, upper, weights.offset * x.upper);
    const float of_lower = metal::fma(weights.scale, lower, weights.offset * x.lower);
    return metal::fma(x.step, metal::fma(of_lower, 1.0f / 65534.0f, of_upper), sum);
}

}  // namespace mettle_kernels
