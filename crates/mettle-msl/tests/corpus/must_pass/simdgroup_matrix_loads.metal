// MSL 6.7.1 Creating, Loading, and Storing Matrix Elements: from device and threadgroup memory, with a row length, an origin, transposed
#include <metal_stdlib>
using namespace metal;

kernel void use(device const float* in [[buffer(0)]], device float* out [[buffer(1)]], ushort lane [[thread_index_in_simdgroup]]) {
  threadgroup float shared[16 * 16];
  for (int i = lane; i < 256; i += 32) shared[i] = in[i];
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_float8x8 a, b = make_filled_simdgroup_matrix<float, 8, 8>(1.0f), c(0.5f);
  simdgroup_load(a, in, 16);
  simdgroup_load(a, shared, 16, ulong2(8, 0));
  simdgroup_load(b, shared, 16, ulong2(0, 8), true);
  simdgroup_store(a, shared, 16, ulong2(8, 8));
  simdgroup_store(b, out);
  simdgroup_store(c, out + 64, 8, 0, true);
}
