// MSL 2.4 SIMD-group Matrix Data Types: 8 x 8 matrices of half, bfloat and float
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

kernel void use(device half* h [[buffer(0)]], device bfloat* b [[buffer(1)]], device float* f [[buffer(2)]]) {
  simdgroup_half8x8 a;
  simdgroup_bfloat8x8 c;
  simdgroup_float8x8 d = simdgroup_float8x8(1.0f);
  simdgroup_matrix<float, 8, 8> e(2.0f);
  simdgroup_load(a, h);
  simdgroup_load(c, b);
  simdgroup_store(d, f);
  simdgroup_store(e, f + 64);
}
