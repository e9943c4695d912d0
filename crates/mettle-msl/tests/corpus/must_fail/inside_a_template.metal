// MSL 4 Address Spaces: address spaces are checked in the instances of templates
// expect: address-space @8
#include <metal_stdlib>
using namespace metal;

template <typename T>
void copy(device T* out, threadgroup T* in) {
  device T* p = in;
  *out = *p;
}
kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) { copy(x, t); }
