// MSL 4.2 Constant Address Space: a variable of a function is not in constant memory
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  constant float v = 1;
  x[0] = v;
}
