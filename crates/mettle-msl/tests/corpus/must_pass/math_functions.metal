// MSL 6.5 Math Functions: every function takes half and float, scalars and vectors
#include <metal_stdlib>
#include <metal_math>
using namespace metal;

template <typename T, typename I>
T all_of(T x, T y, T z) {
  T r = acos(x) + acosh(x) + asin(x) + asinh(x) + atan(x) + atan2(x, y) + atanh(x) + ceil(x) + copysign(x, y) + cos(x);
  r += cosh(x) + cospi(x) + divide(x, y) + exp(x) + exp2(x) + exp10(x) + fabs(x) + abs(x) + fdim(x, y) + floor(x);
  r += fma(x, y, z) + fmax(x, y) + max(x, y) + fmax3(x, y, z) + max3(x, y, z) + fmedian3(x, y, z) + median3(x, y, z);
  r += fmin(x, y) + min(x, y) + fmin3(x, y, z) + min3(x, y, z) + fmod(x, y) + fract(x) + log(x) + log2(x) + log10(x);
  r += nextafter(x, y) + pow(x, y) + powr(x, y) + rint(x) + round(x) + rsqrt(x) + sin(x) + sinh(x) + sinpi(x) + sqrt(x);
  r += tan(x) + tanh(x) + tanpi(x) + trunc(x);
  I exponent;
  T whole, cosine;
  r += frexp(x, exponent) + modf(x, whole) + sincos(x, cosine);
  return r + ldexp(x, ilogb(y) + exponent) + whole + cosine;
}
kernel void use(device float4* v [[buffer(0)]]) {
  float4 x = v[0], y = v[1], z = v[2];
  v[3] = all_of<float4, int4>(x, y, z);
  v[4].x = all_of<float, int>(x.x, y.x, z.x) + all_of<half, int>(half(x.x), half(y.x), half(z.x));
  v[4].yzw = float3(all_of<half3, int3>(half3(x.xyz), half3(y.xyz), half3(z.xyz)));
}
