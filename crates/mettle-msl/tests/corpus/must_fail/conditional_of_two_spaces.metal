// MSL 4 Address Spaces: both branches of ?: lead to one address space
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) {
  x[0] = *(x[1] > 0 ? x : t);
}
