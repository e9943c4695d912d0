// MSL 4 Address Spaces: a pointer names its address space
// expect: missing-address-space @7
#include <metal_stdlib>
using namespace metal;

struct Row {
  float* values;
  uint length;
};
kernel void use(device float* x [[buffer(0)]]) { x[0] = 1; }
