// MSL 6.7.1 Creating, Loading, and Storing Matrix Elements: SIMD-group matrices are loaded from device or threadgroup memory
// expect: address-space @9
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  float own[64] = {};
  simdgroup_float8x8 m;
  simdgroup_load(m, own, 8);
  simdgroup_store(m, x, 8);
}
