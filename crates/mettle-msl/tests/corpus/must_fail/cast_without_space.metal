// MSL 4 Address Spaces: a cast to a pointer names its address space
// expect: missing-address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  x[0] = ((uint*)x)[1];
}
