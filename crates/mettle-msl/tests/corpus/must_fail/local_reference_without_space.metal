// MSL 4 Address Spaces: a reference names its address space
// expect: missing-address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* x [[buffer(0)]]) {
  float4& r = x[1];
  r = 1;
}
