// MSL 6.9.2 SIMD-Group Functions: reductions, prefix sums and products
#include <metal_stdlib>
using namespace metal;

template <typename T>
T all_of(T x) {
  T r = simd_sum(x) + simd_product(x) + simd_min(x) + simd_max(x);
  r += simd_prefix_exclusive_sum(x) + simd_prefix_inclusive_sum(x);
  return r + simd_prefix_exclusive_product(x) + simd_prefix_inclusive_product(x);
}
kernel void use(device float2* v [[buffer(0)]], device uint3* bits [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  v[i] = all_of(v[i]) + float2(all_of(short2(1))) + all_of(half(v[i].x)) + all_of(uchar(1));
  bits[i] = simd_and(bits[i]) | simd_or(bits[i]) | simd_xor(bits[i]) | uint(simd_and(char(3)));
}
