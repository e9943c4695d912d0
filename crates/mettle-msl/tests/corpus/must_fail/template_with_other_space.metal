// MSL 4 Address Spaces: a template parameter's pointer keeps its address space
// expect: address-space @9
#include <metal_stdlib>
using namespace metal;

template <typename T>
T first(device const T* p) { return *p; }
kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) {
  x[0] = first(t);
}
