// MSL 4 Address Spaces: pointers of a kernel are in device, constant or threadgroup memory
// expect: needs an address space @6
#include <metal_stdlib>
using namespace metal;

kernel void use(float* x [[buffer(0)]]) {
  x[0] = 1;
}
