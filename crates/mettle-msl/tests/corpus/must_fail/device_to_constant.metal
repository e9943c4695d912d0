// MSL 4 Address Spaces: a pointer to one address space does not convert to one to another
// expect: address-space @8
#include <metal_stdlib>
using namespace metal;

float first(constant const float* p) { return *p; }
kernel void use(device float* x [[buffer(0)]]) {
  x[0] = first(x + 1);
}
