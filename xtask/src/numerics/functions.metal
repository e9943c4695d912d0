// Every math function of the tables of section 8.4 of the specification, one kernel each: out[i] = name(x[i], ...).

#include <metal_stdlib>

using namespace metal;

#define UNARY_OF(prefix, T, name, call)                                                                       \
    kernel void prefix##_##name(device const T* x [[buffer(0)]], device T* out [[buffer(3)]],                 \
                                uint i [[thread_position_in_grid]])                                           \
    {                                                                                                         \
        out[i] = call(x[i]);                                                                                  \
    }
#define BINARY_OF(prefix, T, name, call)                                                                      \
    kernel void prefix##_##name(device const T* x [[buffer(0)]], device const T* y [[buffer(1)]],             \
                                device T* out [[buffer(3)]], uint i [[thread_position_in_grid]])              \
    {                                                                                                         \
        out[i] = call(x[i], y[i]);                                                                            \
    }
#define TERNARY_OF(prefix, T, name, call)                                                                     \
    kernel void prefix##_##name(device const T* x [[buffer(0)]], device const T* y [[buffer(1)]],             \
                                device const T* z [[buffer(2)]], device T* out [[buffer(3)]],                 \
                                uint i [[thread_position_in_grid]])                                           \
    {                                                                                                         \
        out[i] = call(x[i], y[i], z[i]);                                                                      \
    }

// The precise function, the fast one, and that of half.
#define UNARY(name)                               \
    UNARY_OF(precise, float, name, precise::name) \
    UNARY_OF(fast, float, name, fast::name)       \
    UNARY_OF(half, half, name, name)
#define BINARY(name)                               \
    BINARY_OF(precise, float, name, precise::name) \
    BINARY_OF(fast, float, name, fast::name)       \
    BINARY_OF(half, half, name, name)

UNARY(acos)
UNARY(acosh)
UNARY(asin)
UNARY(asinh)
UNARY(atan)
UNARY(atanh)
UNARY(ceil)
UNARY(cos)
UNARY(cosh)
UNARY(cospi)
UNARY(exp)
UNARY(exp2)
UNARY(exp10)
UNARY(fabs)
UNARY(floor)
UNARY(fract)
UNARY(log)
UNARY(log2)
UNARY(log10)
UNARY(rint)
UNARY(round)
UNARY(rsqrt)
UNARY(sin)
UNARY(sinh)
UNARY(sinpi)
UNARY(sqrt)
UNARY(tan)
UNARY(tanh)
UNARY(tanpi)
UNARY(trunc)

BINARY(atan2)
BINARY(copysign)
BINARY(divide)
BINARY(fdim)
BINARY(fmax)
BINARY(fmin)
BINARY(fmod)
BINARY(pow)
BINARY(powr)

TERNARY_OF(precise, float, fma, fma)
TERNARY_OF(half, half, fma, fma)

// What is the same in every mode, or comes in two parts.
#define UNARY_IN_ONE_MODE(name, call)      \
    UNARY_OF(precise, float, name, call)   \
    UNARY_OF(half, half, name, call)
#define BINARY_IN_ONE_MODE(name, call)     \
    BINARY_OF(precise, float, name, call)  \
    BINARY_OF(half, half, name, call)

template <typename T>
T frexp_fraction(T x)
{
    int exponent;
    return frexp(x, exponent);
}
template <typename T>
T frexp_exponent(T x)
{
    int exponent;
    frexp(x, exponent);
    return T(exponent);
}
template <typename T>
T modf_fraction(T x)
{
    T whole;
    return modf(x, whole);
}
template <typename T>
T modf_whole(T x)
{
    T whole;
    modf(x, whole);
    return whole;
}
template <typename T>
T ilogb_of(T x)
{
    return T(ilogb(x));
}
template <typename T>
T ldexp_of(T x, T n)
{
    return ldexp(x, int(n));
}
UNARY_IN_ONE_MODE(frexp_fraction, frexp_fraction)
UNARY_IN_ONE_MODE(frexp_exponent, frexp_exponent)
UNARY_IN_ONE_MODE(modf_fraction, modf_fraction)
UNARY_IN_ONE_MODE(modf_whole, modf_whole)
UNARY_IN_ONE_MODE(ilogb, ilogb_of)
BINARY_IN_ONE_MODE(ldexp, ldexp_of)
BINARY_IN_ONE_MODE(nextafter, nextafter)

#define SINCOS(prefix, T, space)                     \
    T prefix##_sincos_sin_of(T x)                    \
    {                                                \
        T cosine;                                    \
        return space sincos(x, cosine);              \
    }                                                \
    T prefix##_sincos_cos_of(T x)                    \
    {                                                \
        T cosine;                                    \
        space sincos(x, cosine);                     \
        return cosine;                               \
    }                                                \
    UNARY_OF(prefix, T, sincos_sin, prefix##_sincos_sin_of) \
    UNARY_OF(prefix, T, sincos_cos, prefix##_sincos_cos_of)
SINCOS(precise, float, precise::)
SINCOS(fast, float, fast::)
SINCOS(half, half, )

template <typename T>
T sum_of(T x, T y)
{
    return x + y;
}
template <typename T>
T difference_of(T x, T y)
{
    return x - y;
}
template <typename T>
T product_of(T x, T y)
{
    return x * y;
}
template <typename T>
T quotient_of(T x, T y)
{
    return x / y;
}
template <typename T>
T reciprocal_of(T x)
{
    return T(1) / x;
}

BINARY_IN_ONE_MODE(add, sum_of)
BINARY_IN_ONE_MODE(subtract, difference_of)
BINARY_IN_ONE_MODE(multiply, product_of)
BINARY_IN_ONE_MODE(quotient, quotient_of)
UNARY_IN_ONE_MODE(reciprocal, reciprocal_of)

BINARY_OF(bfloat, bfloat, add, sum_of)
BINARY_OF(bfloat, bfloat, subtract, difference_of)
BINARY_OF(bfloat, bfloat, multiply, product_of)
BINARY_OF(bfloat, bfloat, quotient, quotient_of)
UNARY_OF(bfloat, bfloat, reciprocal, reciprocal_of)
