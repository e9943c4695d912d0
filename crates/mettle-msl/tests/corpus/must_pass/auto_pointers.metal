// MSL 4 Address Spaces: the address space of auto is that of the initialiser
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) {
  auto p = x + 1;
  auto q = t;
  const auto r = (device const float4*)x;
  *q = *p;
  *p = r->x + *q;
}
