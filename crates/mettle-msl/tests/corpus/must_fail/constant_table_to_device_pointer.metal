// MSL 4.2 Constant Address Space: a table outside functions is in constant memory
// expect: address-space @9
#include <metal_stdlib>
using namespace metal;

constant float table[4] = {1, 2, 3, 4};
float first(device const float* p) { return p[0]; }
kernel void use(device float* x [[buffer(0)]]) {
  x[0] = first(table);
}
