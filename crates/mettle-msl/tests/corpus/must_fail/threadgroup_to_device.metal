// MSL 4 Address Spaces: a pointer to one address space does not convert to one to another
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) {
  x = t;
  x[0] = 1;
}
