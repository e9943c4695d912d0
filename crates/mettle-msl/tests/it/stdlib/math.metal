// One kernel for each math function and type: y[i] = name(x[i]).
#include <metal_stdlib>
using namespace metal;

#define UNARY_OF(suffix, T, name, call)                                                                          \
  kernel void name##_##suffix(device const T* x [[buffer(0)]], device T* y [[buffer(1)]],                        \
                              uint i [[thread_position_in_grid]]) {                                              \
    y[i] = call(x[i]);                                                                                           \
  }
// Scalars, and vectors of every width, of which the caller sees the components.
#define UNARY(name, call)               \
  UNARY_OF(f32, float, name, call)      \
  UNARY_OF(f32x2, float2, name, call)   \
  UNARY_OF(f32x3, packed_float3, name, call) \
  UNARY_OF(f32x4, float4, name, call)   \
  UNARY_OF(f16, half, name, call)       \
  UNARY_OF(f16x4, half4, name, call)

UNARY(exp, exp)
UNARY(exp2, exp2)
UNARY(exp10, exp10)
UNARY(log, log)
UNARY(log2, log2)
UNARY(log10, log10)
UNARY(sin, sin)
UNARY(cos, cos)
UNARY(tan, tan)
UNARY(sinpi, sinpi)
UNARY(cospi, cospi)
UNARY(tanpi, tanpi)
UNARY(asin, asin)
UNARY(acos, acos)
UNARY(atan, atan)
UNARY(sinh, sinh)
UNARY(cosh, cosh)
UNARY(tanh, tanh)
UNARY(asinh, asinh)
UNARY(acosh, acosh)
UNARY(atanh, atanh)
UNARY(sqrt, sqrt)
UNARY(rsqrt, rsqrt)
UNARY(fabs, fabs)
UNARY(abs, abs)
UNARY(floor, floor)
UNARY(ceil, ceil)
UNARY(trunc, trunc)
UNARY(rint, rint)
UNARY(round, round)
UNARY(fract, fract)
UNARY(sign, sign)
UNARY(saturate, saturate)
UNARY(precise_exp, precise::exp)
UNARY(precise_sin, precise::sin)
UNARY(fast_exp, fast::exp)
UNARY(fast_exp2, fast::exp2)
UNARY(fast_log, fast::log)
UNARY(fast_log2, fast::log2)
UNARY(fast_sin, fast::sin)
UNARY(fast_cos, fast::cos)
UNARY(fast_tan, fast::tan)
UNARY(fast_tanh, fast::tanh)

#define BINARY_OF(suffix, T, name, call)                                                                         \
  kernel void name##_##suffix(device const T* x [[buffer(0)]], device const T* y [[buffer(1)]],                  \
                              device T* z [[buffer(2)]], uint i [[thread_position_in_grid]]) {                   \
    z[i] = call(x[i], y[i]);                                                                                     \
  }
#define BINARY(name, call)               \
  BINARY_OF(f32, float, name, call)      \
  BINARY_OF(f32x4, float4, name, call)   \
  BINARY_OF(f16, half, name, call)       \
  BINARY_OF(f16x4, half4, name, call)

BINARY(pow, pow)
BINARY(powr, powr)
BINARY(fast_pow, fast::pow)
BINARY(atan2, atan2)
BINARY(fmod, fmod)
BINARY(fdim, fdim)
BINARY(divide, divide)
BINARY(copysign, copysign)
BINARY(nextafter, nextafter)
BINARY(fmin, fmin)
BINARY(fmax, fmax)
BINARY(min, min)
BINARY(max, max)
BINARY(step, step)

#define TERNARY_OF(suffix, T, name)                                                                              \
  kernel void name##_##suffix(device const T* x [[buffer(0)]], device const T* y [[buffer(1)]],                  \
                              device const T* z [[buffer(2)]], device T* w [[buffer(3)]],                        \
                              uint i [[thread_position_in_grid]]) {                                              \
    w[i] = name(x[i], y[i], z[i]);                                                                               \
  }
#define TERNARY(name)              \
  TERNARY_OF(f32, float, name)     \
  TERNARY_OF(f32x4, float4, name)  \
  TERNARY_OF(f16, half, name)

TERNARY(fma)
TERNARY(clamp)
TERNARY(mix)
TERNARY(smoothstep)
TERNARY(fmin3)
TERNARY(fmax3)
TERNARY(fmedian3)

// Functions with two results or an integer.
kernel void sincos_f32(device const float* x [[buffer(0)]], device float* sine [[buffer(1)]],
                       device float* cosine [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  float c;
  sine[i] = sincos(x[i], c);
  cosine[i] = c;
}
kernel void modf_f32(device const float* x [[buffer(0)]], device float* fraction [[buffer(1)]],
                     device float* whole [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  float w;
  fraction[i] = modf(x[i], w);
  whole[i] = w;
}
kernel void frexp_f32(device const float* x [[buffer(0)]], device float* fraction [[buffer(1)]],
                      device int* exponent [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  int n;
  fraction[i] = frexp(x[i], n);
  exponent[i] = n;
}
kernel void ldexp_f32(device const float* x [[buffer(0)]], device const int* n [[buffer(1)]],
                      device float* y [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  y[i] = ldexp(x[i], n[i]);
}
kernel void ilogb_f32(device const float* x [[buffer(0)]], device int* n [[buffer(1)]],
                      uint i [[thread_position_in_grid]]) {
  n[i] = ilogb(x[i]);
}
