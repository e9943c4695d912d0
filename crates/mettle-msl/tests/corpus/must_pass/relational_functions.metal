// MSL 6.4 Relational Functions: tests of half, bfloat and float, and selection
#include <metal_stdlib>
#include <metal_relational>
using namespace metal;

template <typename T>
bool tests(T x, T y) {
  return isfinite(x) || isinf(x) || isnan(x) || isnormal(x) || isordered(x, y) || isunordered(x, y) || signbit(x);
}
kernel void use(device float4* v [[buffer(0)]], device bfloat* b [[buffer(1)]], device int4* i [[buffer(2)]]) {
  bool r = tests(v[0].x, v[1].x) || tests(half(v[0].x), 1.0h) || tests(b[0], b[1]);
  bool4 c = isnan(v[0]) || isinf(v[1]);
  v[2] = select(v[0], v[1], c);
  v[3].x = select(v[0].x, v[1].x, r) + all(c) + any(not(c));
  i[0] = select(i[1], i[2], signbit(v[0]));
  b[2] = select(b[0], b[1], r);
}
