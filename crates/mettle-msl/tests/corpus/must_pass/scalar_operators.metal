// MSL 3.1 Scalar and Vector Operators: operators work component by component; comparisons give bools
#include <metal_stdlib>
using namespace metal;

kernel void use(device int4* v [[buffer(0)]], device float4* f [[buffer(1)]]) {
  int4 a = v[0], b = v[1];
  a = a + b * 2 - (a / b) % 3;
  a = (a & b) | (a ^ ~b);
  a = (a << 2) >> b;
  a += 1, a <<= 1, a |= b, a++, --a;
  bool4 less = a < b, same = a == b, both = less && !same;
  v[0] = select(a, b, both) + int4(less || same);
  f[0] = -f[1] * 2.0f + (f[3].x > 0.0f ? f[3] : float4(0));
  f[0] *= f[1] / f[2];
}
