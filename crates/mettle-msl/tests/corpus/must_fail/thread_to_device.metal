// MSL 4 Address Spaces: a pointer to one address space does not convert to one to another
// expect: address-space @9
#include <metal_stdlib>
using namespace metal;

float first(device const float* p) { return *p; }
kernel void use(device float* x [[buffer(0)]]) {
  float own[2] = {1, 2};
  x[0] = first(own);
}
