// MSL 6.9.2 SIMD-Group Functions: the permutations, of every type of up to 32 bits and its vectors
#include <metal_stdlib>
#include <metal_simdgroup>
using namespace metal;

template <typename T>
T all_of(T x, T y, ushort by) {
  T r = simd_broadcast(x, 3) + simd_broadcast_first(x) + simd_shuffle(x, by) + simd_shuffle_xor(x, 1);
  r += simd_shuffle_up(x, 1) + simd_shuffle_down(x, 2) + simd_shuffle_rotate_up(x, 1) + simd_shuffle_rotate_down(x, 2);
  r += simd_shuffle_and_fill_up(x, y, 1) + simd_shuffle_and_fill_down(x, y, 2);
  return r + simd_shuffle_and_fill_up(x, y, 1, 8) + simd_shuffle_and_fill_down(x, y, 2, 16);
}
kernel void use(device float4* v [[buffer(0)]], ushort lane [[thread_index_in_simdgroup]]) {
  v[0] = all_of(v[1], v[2], lane) + float4(all_of(half4(v[1]), half4(v[2]), lane)) + float4(all_of(int4(v[1]), int4(v[2]), lane));
  v[3].x = all_of(v[1].x, v[2].x, lane) + all_of(char(1), char(2), lane) + all_of(ushort(1), ushort(2), lane) + all_of(1u, 2u, lane);
}
