// MSL 4 Address Spaces: a pointer names its address space
// expect: missing-address-space @6
#include <metal_stdlib>
using namespace metal;

float first(float* p) {
  return *p;
}
kernel void use(device float* x [[buffer(0)]]) {
  float v = x[0];
  x[0] = first(&v);
}
