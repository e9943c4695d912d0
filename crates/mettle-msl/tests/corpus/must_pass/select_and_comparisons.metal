// MSL 6.4 Relational Functions: comparisons of vectors are vectors, which select and any take
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* x [[buffer(0)]]) {
  const bool4 less = x[0] < x[1];
  x[0] = select(x[0], x[1], less);
  if (any(less) && !all(isnan(x[2]))) x[2] = float4(less);
}
