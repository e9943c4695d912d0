// MSL 4 Address Spaces: a cast does not change the address space
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) {
  x[0] = reinterpret_cast<device float4*>(t)->x;
}
