// MSL 4 Address Spaces: a constructor's pointers keep their address space
// expect: address-space @11
#include <metal_stdlib>
using namespace metal;

struct Loader {
  device const float* source;
  Loader(device const float* s) : source(s) {}
};
kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) {
  Loader loader(t);
  x[0] = loader.source[0];
}
