// MSL 4 Address Spaces: a pointer to one address space does not convert to one to another
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], constant float* c [[buffer(1)]]) {
  device const float* p = c;
  x[0] = p[0];
}
