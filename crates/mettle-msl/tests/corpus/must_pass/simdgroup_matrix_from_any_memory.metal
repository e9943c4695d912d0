// MSL 6.7.1 Creating, Loading, and Storing Matrix Elements: SIMD-group matrices are loaded from device and threadgroup memory
#include <metal_stdlib>
using namespace metal;

kernel void multiply(device const half* a [[buffer(0)]], device float* c [[buffer(1)]], threadgroup half* t [[threadgroup(0)]]) {
  simdgroup_half8x8 ma, mb;
  simdgroup_float8x8 mc = make_filled_simdgroup_matrix<float, 8, 8>(0.f);
  simdgroup_load(ma, a, 8);
  simdgroup_load(mb, t, 8, ulong2(0, 0), true);
  simdgroup_multiply_accumulate(mc, ma, mb, mc);
  thread auto& elements = mc.thread_elements();
  elements[0] += 1;
  simdgroup_store(mc, c, 8);
}
