// MSL 4.1 Device Address Space: a variable of a function is not in device memory
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  device float v = x[0];
  x[0] = v;
}
