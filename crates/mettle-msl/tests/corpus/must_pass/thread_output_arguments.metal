// MSL 4.3 Thread Address Space: functions write through references to thread memory
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  float whole, cosine;
  int exponent;
  const float rest = modf(x[i], whole);
  const float sine = sincos(rest, cosine);
  x[i] = frexp(sine, exponent) + cosine + exponent;
}
