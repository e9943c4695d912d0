// MSL 4.2 Constant Address Space: the constant address space is not written
// expect: with const-qualified type @8
#include <metal_stdlib>
using namespace metal;

constant float table[2] = {1, 2};
kernel void use(device float* x [[buffer(0)]]) {
  table[0] = x[0];
}
