// Sixteen values at a time.
//
// Formats decode in steps of sixteen, and the inner loops of one thread work on sixteen values side by side. With our
// own compiler `wide` is a clang vector: on a CPU it lies in one AVX-512 register, two AVX or four NEON registers, and
// no speed depends on what the loop vectoriser recognises. Elsewhere it is four float4.
#pragma once

#include <metal_stdlib>
#include <mettle/memory.h>

namespace mettle_kernels {

// The number of values in a `wide`.
constant constexpr uint WIDE = 16;

#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)

// Clang warns that how such vectors are passed depends on the processor; every function that takes one is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float wide __attribute__((ext_vector_type(16)));
typedef int wide_int __attribute__((ext_vector_type(16)));

METAL_FUNC wide splat(float x) { return wide(x); }

// Sixteen values from memory that is aligned for one.
METAL_FUNC wide load(device const float* p)
{
    return mettle::load_unaligned<wide>(p);
}

METAL_FUNC wide load(device const half* p)
{
    typedef half halves __attribute__((ext_vector_type(16)));
    return __builtin_convertvector(mettle::load_unaligned<halves>(p), wide);
}

METAL_FUNC wide load(device const bfloat* p)
{
    typedef ushort words __attribute__((ext_vector_type(16)));
    // A bfloat is the upper half of a float.
    const wide_int bits = __builtin_convertvector(mettle::load_unaligned<words>(p), wide_int) << 16;
    return __builtin_bit_cast(wide, bits);
}

// The same from memory that is aligned to sixteen bytes, for floats in device or threadgroup memory.
typedef uint sixteen_bytes __attribute__((ext_vector_type(4)));
typedef float four_floats __attribute__((ext_vector_type(4)));
typedef float eight_floats __attribute__((ext_vector_type(8)));

template <typename P>
METAL_FUNC wide load_quads(P p)
{
    wide x;
    x.lo.lo = __builtin_bit_cast(four_floats, load_as<metal::float4>(p, 0));
    x.lo.hi = __builtin_bit_cast(four_floats, load_as<metal::float4>(p, 1));
    x.hi.lo = __builtin_bit_cast(four_floats, load_as<metal::float4>(p, 2));
    x.hi.hi = __builtin_bit_cast(four_floats, load_as<metal::float4>(p, 3));
    return x;
}

METAL_FUNC wide load_aligned(device const half* p)
{
    typedef half halves __attribute__((ext_vector_type(8)));
    device const sixteen_bytes* quads = reinterpret_cast<device const sixteen_bytes*>(p);
    wide x;
    x.lo = __builtin_convertvector(__builtin_bit_cast(halves, quads[0]), eight_floats);
    x.hi = __builtin_convertvector(__builtin_bit_cast(halves, quads[1]), eight_floats);
    return x;
}

METAL_FUNC wide load_aligned(device const bfloat* p)
{
    device const sixteen_bytes* quads = reinterpret_cast<device const sixteen_bytes*>(p);
    wide x;
    for (ushort i = 0; i < 2; ++i) {
        for (ushort j = 0; j < 4; ++j) {
            x[8 * i + 2 * j] = __builtin_bit_cast(float, quads[i][j] << 16);
            x[8 * i + 2 * j + 1] = __builtin_bit_cast(float, quads[i][j] & 0xffff0000);
        }
    }
    return x;
}

METAL_FUNC void store(device float* p, wide x) { __builtin_memcpy(p, &x, sizeof(x)); }

METAL_FUNC void store(device half* p, wide x)
{
    typedef half halves __attribute__((ext_vector_type(16)));
    const halves rounded = __builtin_convertvector(x, halves);
    __builtin_memcpy(p, &rounded, sizeof(rounded));
}

// a * b + c, rounded once.
METAL_FUNC wide fma(wide a, wide b, wide c) { return __builtin_elementwise_fma(a, b, c); }

// The larger of each pair; that of `b` where `a` is NaN.
METAL_FUNC wide max(wide a, wide b) { return a > b ? a : b; }

// `a` where x < y, else `b`.
METAL_FUNC wide if_less(wide x, wide y, wide a, wide b) { return x < y ? a : b; }

METAL_FUNC float sum(wide x)
{
    const auto eight = x.lo + x.hi;
    const auto four = eight.lo + eight.hi;
    const auto two = four.lo + four.hi;
    return two.x + two.y;
}

// The sum of the products, in four chains.
METAL_FUNC float dot(wide a, wide b)
{
    four_floats four = a.lo.lo * b.lo.lo;
    four = __builtin_elementwise_fma(a.lo.hi, b.lo.hi, four);
    four = __builtin_elementwise_fma(a.hi.lo, b.hi.lo, four);
    four = __builtin_elementwise_fma(a.hi.hi, b.hi.hi, four);
    return (four.x + four.y) + (four.z + four.w);
}

METAL_FUNC float largest(wide x)
{
    const auto eight = x.lo > x.hi ? x.lo : x.hi;
    const auto four = eight.lo > eight.hi ? eight.lo : eight.hi;
    const auto two = four.lo > four.hi ? four.lo : four.hi;
    return two.x > two.y ? two.x : two.y;
}

METAL_FUNC wide absolute(wide x) { return __builtin_elementwise_abs(x); }

METAL_FUNC float element(wide x, uint i) { return x[i]; }

METAL_FUNC void set_element(thread wide& x, uint i, float value) { x[i] = value; }

// e^x within one unit in the last place, for any x: infinities, NaN and subnormal results included.
METAL_FUNC wide exp(wide x)
{
    // Beyond these e^x is zero or infinite, and the steps below give just that. A NaN fails both tests and goes through.
    x = x < -104.0f ? wide(-104.0f) : x;
    x = x > 89.0f ? wide(89.0f) : x;

    // x = n ln 2 + r with |r| <= ln(2) / 2. Adding 1.5 * 2^23 leaves n, rounded, in the low bits of the sum. The upper
    // part of ln 2 has 15 bits, so n times it is exact.
    const wide shifted = fma(x, wide(1.44269504f), wide(12582912.0f));
    const wide n = shifted - 12582912.0f;
    const wide r = fma(n, wide(-1.42860677e-6f), fma(n, wide(-0.693145752f), x));

    // The Taylor polynomial of degree 7 has a relative error below 2^-26 there.
    wide p = wide(1.0f / 5040.0f);
    p = fma(p, r, wide(1.0f / 720.0f));
    p = fma(p, r, wide(1.0f / 120.0f));
    p = fma(p, r, wide(1.0f / 24.0f));
    p = fma(p, r, wide(1.0f / 6.0f));
    p = fma(p, r, wide(0.5f));
    p = fma(p, r, wide(1.0f));
    p = fma(p, r, wide(1.0f));

    // Times 2^n in two steps, as 2^n alone may not be a normal number.
    const wide_int exponent = __builtin_bit_cast(wide_int, shifted) - 0x4b400000;
    const wide_int half_exponent = exponent >> 1;
    const wide_int first = (half_exponent + 127) << 23;
    const wide_int second = (exponent - half_exponent + 127) << 23;
    return p * __builtin_bit_cast(wide, first) * __builtin_bit_cast(wide, second);
}

#else

struct wide {
    metal::float4 quad[4];
};

#define METTLE_WIDE_OPERATOR(type, op)             \
    METAL_FUNC type operator op(type a, type b)    \
    {                                              \
        type result;                               \
        for (ushort i = 0; i < 4; ++i) {           \
            result.quad[i] = a.quad[i] op b.quad[i]; \
        }                                          \
        return result;                             \
    }
METTLE_WIDE_OPERATOR(wide, +)
METTLE_WIDE_OPERATOR(wide, -)
METTLE_WIDE_OPERATOR(wide, *)
METTLE_WIDE_OPERATOR(wide, /)
#undef METTLE_WIDE_OPERATOR

METAL_FUNC wide splat(float x)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::float4(x);
    }
    return result;
}

METAL_FUNC float element(wide x, uint i) { return x.quad[i / 4][i % 4]; }

METAL_FUNC void set_element(thread wide& x, uint i, float value) { x.quad[i / 4][i % 4] = value; }

template <typename T>
METAL_FUNC wide load_floats(device const T* p)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::float4(float(p[4 * i]), float(p[4 * i + 1]), float(p[4 * i + 2]), float(p[4 * i + 3]));
    }
    return result;
}

template <typename P>
METAL_FUNC wide load_quads(P p)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = load_as<metal::float4>(p, i);
    }
    return result;
}

METAL_FUNC wide load_aligned(device const half* p)
{
    device const metal::half4* quads = reinterpret_cast<device const metal::half4*>(p);
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::float4(quads[i]);
    }
    return result;
}

METAL_FUNC wide load_aligned(device const bfloat* p)
{
    device const metal::ushort4* quads = reinterpret_cast<device const metal::ushort4*>(p);
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = as_type<metal::float4>(metal::uint4(quads[i]) << 16);
    }
    return result;
}

METAL_FUNC wide load(device const float* p) { return load_floats(p); }
METAL_FUNC wide load(device const half* p) { return load_floats(p); }
METAL_FUNC wide load(device const bfloat* p) { return load_floats(p); }

template <typename T>
METAL_FUNC void store(device T* p, wide x)
{
    for (ushort i = 0; i < 16; ++i) {
        p[i] = T(element(x, i));
    }
}

METAL_FUNC wide fma(wide a, wide b, wide c)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::fma(a.quad[i], b.quad[i], c.quad[i]);
    }
    return result;
}

METAL_FUNC wide max(wide a, wide b)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::select(b.quad[i], a.quad[i], a.quad[i] > b.quad[i]);
    }
    return result;
}

METAL_FUNC wide if_less(wide x, wide y, wide a, wide b)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::select(b.quad[i], a.quad[i], x.quad[i] < y.quad[i]);
    }
    return result;
}

METAL_FUNC float sum(wide x)
{
    const metal::float4 four = (x.quad[0] + x.quad[1]) + (x.quad[2] + x.quad[3]);
    return (four.x + four.y) + (four.z + four.w);
}

METAL_FUNC float dot(wide a, wide b)
{
    metal::float4 four = a.quad[0] * b.quad[0];
    for (ushort i = 1; i < 4; ++i) {
        four = metal::fma(a.quad[i], b.quad[i], four);
    }
    return (four.x + four.y) + (four.z + four.w);
}

METAL_FUNC float largest(wide x)
{
    const metal::float4 four = metal::max(metal::max(x.quad[0], x.quad[1]), metal::max(x.quad[2], x.quad[3]));
    return metal::max(metal::max(four.x, four.y), metal::max(four.z, four.w));
}

METAL_FUNC wide absolute(wide x)
{
    for (ushort i = 0; i < 4; ++i) {
        x.quad[i] = metal::fabs(x.quad[i]);
    }
    return x;
}

METAL_FUNC wide exp(wide x)
{
    wide result;
    for (ushort i = 0; i < 4; ++i) {
        result.quad[i] = metal::precise::exp(x.quad[i]);
    }
    return result;
}

#endif

METAL_FUNC wide load_aligned(device const float* p) { return load_quads(p); }

// The first `count` <= 16 values from memory, then `rest`.
template <typename T>
METAL_FUNC wide load_some(device const T* p, uint count, float rest = 0.0f)
{
    wide x = splat(rest);
    for (uint i = 0; i < count; ++i) {
        set_element(x, i, float(p[i]));
    }
    return x;
}

// The next sixteen of the `count` values that are left at `p`; `rest` beyond them.
template <typename T>
METAL_FUNC wide load_next(device const T* p, uint count, float rest = 0.0f)
{
    return count >= WIDE ? load(p) : load_some(p, count, rest);
}

// Writes the next sixteen of the `count` values that are left at `p`.
template <typename T>
METAL_FUNC void store_next(device T* p, wide x, uint count)
{
    if (count >= WIDE) {
        store(p, x);
        return;
    }
    for (uint i = 0; i < count; ++i) {
        p[i] = T(element(x, i));
    }
}

}  // namespace mettle_kernels
