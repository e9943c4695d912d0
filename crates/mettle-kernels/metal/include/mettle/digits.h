// Activations as whole numbers of three digits, which processors with products of bytes multiply with the bytes of weights.
//
// Sixteen floats share a step, the largest of them over 127, or SPAN sixteens side by side, whose weights have one scale. Each is
// step * (a + (256 b + c) / 65534) with whole numbers a, -127 to 127, b, -128 to 127, and c, 0 to 255: 24 bits of the largest, as many
// as a float has of itself. Sums of products with unsigned bytes are exact, so that only three sums are rounded instead of all products.
// Where a value is larger than all others together, what its step leaves out of them may be more than rounding does elsewhere; then
// products with the digits of that are added, too.
#pragma once

#include <metal_stdlib>
#include <mettle/across.h>
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

// The values that a lane makes digits of: one half of sixteen, whose other half the lane beside it has.
struct Eight {
    metal::float4 quad[2];
};

METAL_FUNC Eight load_eight(device const float* p)
{
    return Eight{{load_as<metal::float4>(p, 0), load_as<metal::float4>(p, 1)}};
}

METAL_FUNC float dot(Eight a, Eight b)
{
    const metal::float4 sums = metal::fma(a.quad[1], b.quad[1], a.quad[0] * b.quad[0]);
    return (sums.x + sums.y) + (sums.z + sums.w);
}

METAL_FUNC Eight operator*(Eight a, Eight b) { return Eight{{a.quad[0] * b.quad[0], a.quad[1] * b.quad[1]}}; }

METAL_FUNC float sum_of_absolutes(Eight x)
{
    const metal::float4 sums = metal::fabs(x.quad[0]) + metal::fabs(x.quad[1]);
    return (sums.x + sums.y) + (sums.z + sums.w);
}

// The step of the values of SPAN sixteens, 1 or 2, and its reciprocal.
struct Step {
    float size;
    float reciprocal;
    bool finite;  // whether all values are
};

template <uint SPAN>
METAL_FUNC Step step_of(Eight x)
{
    uint bits = 0;
    for (ushort i = 0; i < 8; ++i) {
        bits = metal::max(bits, as_type<uint>(x.quad[i / 4][i % 4]) & 0x7fffffff);
    }
    bits = metal::max(bits, across(bits, 1));
    if (SPAN > 1) {
        bits = metal::max(bits, across(bits, 2));
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

// What the digits of a lane's values leave out of them.
template <uint SPAN>
METAL_FUNC Eight left_out_by_digits(Eight x)
{
    const Step step = step_of<SPAN>(x);
    Eight left_out;
    for (ushort i = 0; i < 8; ++i) {
        const float value = x.quad[i / 4][i % 4];
        const Counts counts = counts_of(value, step);
        const float rest = metal::fma(-float_of(counts.upper), step.size, value);
        left_out.quad[i / 4][i % 4] = metal::fma(-float_of(counts.lower), step.size * (1.0f / 65534.0f), rest);
    }
    return left_out;
}

// Makes the digits of a lane's values, half `half_of_sixteen` of those that have DIGIT_WORDS words of threadgroup memory at `to`, for weights of
// format F; step, starts and sums are those of SPAN sixteens. A step of NaN stands for values that are not all finite. Gives the largest
// absolute value that has such digits. All lanes of the SIMD group call it.
template <typename F, uint SPAN>
METAL_FUNC float make_digits(threadgroup float* to, Eight x, uint half_of_sixteen)
{
    const Step step = step_of<SPAN>(x);
    metal::uint2 a;
    metal::uint2 b;
    metal::uint2 c;
    metal::int3 sums = 0;
    constexpr uint ones = 0x01010101;
    for (ushort i = 0; i < 2; ++i) {
        metal::int4 upper;
        metal::int4 lower;
        for (ushort j = 0; j < 4; ++j) {
            const Counts counts = counts_of(x.quad[i][j], step);
            upper[j] = counts.upper;
            lower[j] = counts.lower;
        }
        const metal::uint2 bytes = two_bytes_of_each(lower);
        a[i] = two_bytes_of_each(upper).x;
        b[i] = bytes.y;
        c[i] = bytes.x;
        sums.x = add_products<true>(ones, a[i], sums.x);
        sums.y = add_products<true>(ones, b[i], sums.y);
        sums.z = add_products<false>(ones, c[i], sums.z);
    }
    sums += across(sums, 1);
    if (SPAN > 1) {
        sums += across(sums, 2);
    }
    store_as(to, half_of_sixteen, a);
    store_as(to, 2 + half_of_sixteen, b);
    store_as(to, 4 + half_of_sixteen, c);
    const float size = step.finite ? step.size : NAN;
    if (half_of_sixteen == 0) {
        const metal::int3 starts = ZERO_COUNT - F::bias * sums;
        const metal::float4 rest = F::has_offset
            ? metal::float4(size, float(sums.x), float(256 * sums.y + sums.z), 0.0f)
            : metal::float4(size, as_type<metal::float3>(starts));
        store_as(to, 3, rest);
    }
    return 127.0f * size;
}

// The digits of SPAN sixteens, of which the first have what they share.
template <typename F, uint SPAN>
METAL_FUNC void load_digits(thread Digits* digits, threadgroup const float* from)
{
#pragma unroll
    for (uint s = 0; s < SPAN; ++s) {
        digits[s].a = load_as<metal::uint4>(from, 4 * s);
        digits[s].b = load_as<metal::uint4>(from, 4 * s + 1);
        digits[s].c = load_as<metal::uint4>(from, 4 * s + 2);
    }
    const metal::float4 rest = load_as<metal::float4>(from, 3);
    digits->step = rest.x;
    digits->starts = F::has_offset ? metal::int3(ZERO_COUNT) : as_type<metal::int3>(rest.yzw);
    digits->upper = rest.y;
    digits->lower = rest.z;
}

// sum + the products of SPAN times sixteen weights of format F, which have one scale, with as many values.
template <typename F, uint SPAN>
METAL_FUNC float add_products(thread const Packed* weights, thread const Digits* x, float sum)
{
    metal::int3 counts = x->starts;
#pragma unroll
    for (ushort s = 0; s < SPAN; ++s) {
#pragma unroll
        for (ushort i = 0; i < 4; ++i) {
            counts.x = add_products<true>(weights[s].q[i], x[s].a[i], counts.x);
            counts.y = add_products<true>(weights[s].q[i], x[s].b[i], counts.y);
            counts.z = add_products<false>(weights[s].q[i], x[s].c[i], counts.z);
        }
    }
    const float upper = float_of(counts.x);
    const float lower = metal::fma(float_of(counts.y), 256.0f, float_of(counts.z));
    if (!F::has_offset) {
        return metal::fma(weights->scale * x->step, metal::fma(lower, 1.0f / 65534.0f, upper), sum);
    }
    // Offsets nearly undo the rest where a weight is near zero: the two meet before anything else is rounded.
    const float of_upper = metal::fma(weights->scale, upper, weights->offset * x->upper);
    const float of_lower = metal::fma(weights->scale, lower, weights->offset * x->lower);
    return metal::fma(x->step, metal::fma(of_lower, 1.0f / 65534.0f, of_upper), sum);
}

}  // namespace mettle_kernels
