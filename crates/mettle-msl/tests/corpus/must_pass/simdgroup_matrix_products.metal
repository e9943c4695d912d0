// MSL 6.7.2 Matrix Operations: multiply, multiply_accumulate and the operator
#include <metal_stdlib>
using namespace metal;

kernel void use(device const half* in [[buffer(0)]], device half* out [[buffer(1)]], device float* wide [[buffer(2)]]) {
  simdgroup_half8x8 a, b, c, d;
  simdgroup_load(a, in);
  simdgroup_load(b, in + 64);
  simdgroup_load(c, in + 128);
  simdgroup_multiply_accumulate(d, a, b, c);
  simdgroup_multiply(c, a, d);
  simdgroup_store(a * c, out);
  simdgroup_float8x8 sum(0.0f);
  simdgroup_multiply_accumulate(sum, a, b, sum);
  simdgroup_store(sum, wide);
}
