// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: there are 31 buffers
// expect: too-many-buffers @6
#include <metal_stdlib>
using namespace metal;

kernel void use(
    device float* a0, device float* a1, device float* a2, device float* a3, device float* a4, device float* a5, device float* a6,
    device float* a7, device float* a8, device float* a9, device float* b0, device float* b1, device float* b2, device float* b3,
    device float* b4, device float* b5, device float* b6, device float* b7, device float* b8, device float* b9, device float* c0,
    device float* c1, device float* c2, device float* c3, device float* c4, device float* c5, device float* c6, device float* c7,
    device float* c8, device float* c9, device float* d0, device float* d1) {
  a0[0] = d1[0];
}
