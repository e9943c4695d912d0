// Activations, of sixteen values at a time. Each is accurate to a few units in the last place over the whole range of f32, but for
// gelu_tanh where its two terms cancel: there to a few units of these. NaN gives NaN.
#pragma once

#include <metal_stdlib>
#include <mettle/wide.h>

namespace mettle_kernels {

// 1 / (1 + exp(-x)), by exponentials that do not overflow: exp(x) / (1 + exp(x)) where x is negative.
METAL_FUNC wide sigmoid(wide x)
{
    const wide zero = splat(0.0f);
    const wide one = splat(1.0f);
    const wide e = exp(if_less(x, zero, x, zero - x));
    return if_less(x, zero, e, one) / (one + e);
}

// x / (1 + exp(-x)), also named swish.
METAL_FUNC wide silu(wide x) { return x * sigmoid(x); }

METAL_FUNC wide tanh(wide x)
{
    const wide zero = splat(0.0f);
    const wide one = splat(1.0f);
    const wide size = absolute(x);

    // Small values, where the formula below would cancel: x + x^3 p(x^2), p interpolating (tanh(x) / x - 1) / x^2 for |x| <= 5/8
    // at five Chebyshev nodes. The relative error is below 2^-25.
    const wide z = x * x;
    wide p = splat(-6.096714153728314e-3f);
    p = fma(p, z, splat(2.0997178987954647e-2f));
    p = fma(p, z, splat(-5.3850909575065636e-2f));
    p = fma(p, z, splat(0.13332769736935138f));
    p = fma(p, z, splat(-0.3333332894413278f));
    const wide small = fma(p * z, x, x);

    const wide large = one - splat(2.0f) / (exp(size + size) + one);
    return if_less(size, splat(0.625f), small, if_less(x, zero, zero - large, large));
}

// The distribution function of the standard normal distribution, (1 + erf(x / sqrt(2))) / 2. It keeps its relative accuracy where it
// is small: it is exp(-t^2) erfcx(t) / 2 with t = |x| / sqrt(2) for negative x, and one minus that for others.
METAL_FUNC wide normal_distribution(wide x)
{
    const wide zero = splat(0.0f);
    const wide one = splat(1.0f);
    const wide half_of = splat(0.5f);

    // Beyond 15 the exponential is zero.
    const wide limit = splat(15.0f);
    wide size = absolute(x);
    size = if_less(limit, size, limit, size);

    // erfcx(t) = exp(t^2) erfc(t) is q p(q) with q = 1 / (1 + 0.35 t), p interpolating erfcx(t) / q at ten Chebyshev nodes of the q
    // for t from 0 to 10.3. The relative error is below 2^-26.
    const wide q = one / fma(size, splat(0.35f * 0.70710678118654752f), one);
    wide p = splat(3.71641655699324e-2f);
    p = fma(p, q, splat(-0.15241947917688117f));
    p = fma(p, q, splat(0.16669211998457453f));
    p = fma(p, q, splat(-8.789838301000498e-3f));
    p = fma(p, q, splat(7.199129473884426e-2f));
    p = fma(p, q, splat(0.15369942506898165f));
    p = fma(p, q, splat(0.148690789780185f));
    p = fma(p, q, splat(0.18840257524987256f));
    p = fma(p, q, splat(0.19708253633927156f));
    p = fma(p, q, splat(0.1974864155165535f));

    // What the square loses by rounding would be multiplied by the exponential.
    const wide square = size * size;
    const wide lost = fma(size, size, zero - square);
    const wide e = exp(zero - half_of * square);
    const wide tail = half_of * q * p * fma(e, zero - half_of * lost, e);
    return if_less(x, zero, tail, one - tail);
}

// x (1 + erf(x / sqrt(2))) / 2 (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016).
METAL_FUNC wide gelu_erf(wide x) { return x * normal_distribution(x); }

// Its approximation x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), which is x sigmoid(2 u).
METAL_FUNC wide gelu_tanh(wide x)
{
    const wide cube = splat(0.044715f) * x * x;
    return x * sigmoid(splat(1.5957691216057308f) * fma(cube, x, x));
}

// tanh(x / cap) cap: values between -cap and cap.
METAL_FUNC wide softcap(wide x, float cap)
{
    return tanh(x * splat(1.0f / cap)) * splat(cap);
}

}  // namespace mettle_kernels
