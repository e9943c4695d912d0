// MSL 6.9.2 SIMD-Group Functions: lanes exchange values
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
  float v = x[i];
  v += simd_shuffle_down(v, 16);
  v = simd_sum(v) + simd_max(x[i]) + simd_broadcast(v, 0);
  v += quad_shuffle_xor(v, 1) + simd_prefix_inclusive_sum(v);
  if (simd_any(v > 1) && lane == 0) x[i] = v;
}
