// MSL 4 Address Spaces: an array decays to a pointer into its own address space
// expect: address-space @10
#include <metal_stdlib>
using namespace metal;

float total(thread const float* p) { return p[0] + p[1]; }
kernel void use(device float* x [[buffer(0)]]) {
  threadgroup float shared[2];
  shared[0] = shared[1] = x[0];
  x[0] = total(shared);
}
