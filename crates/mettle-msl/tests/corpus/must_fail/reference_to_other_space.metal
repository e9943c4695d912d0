// MSL 4 Address Spaces: a reference to thread memory does not lead to device memory
// expect: address-space @8
#include <metal_stdlib>
using namespace metal;

void twice(thread float& x) { x *= 2; }
kernel void use(device float* x [[buffer(0)]]) {
  twice(x[0]);
}
