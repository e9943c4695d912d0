// MSL 4 Address Spaces: a reference names its address space
// expect: missing-address-space @6
#include <metal_stdlib>
using namespace metal;

void twice(float& x) {
  x *= 2;
}
kernel void use(device float* x [[buffer(0)]]) {
  float v = x[0];
  twice(v);
  x[0] = v;
}
