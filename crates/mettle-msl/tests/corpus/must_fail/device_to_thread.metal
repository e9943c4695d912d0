// MSL 4 Address Spaces: a pointer to one address space does not convert to one to another
// expect: address-space @8
#include <metal_stdlib>
using namespace metal;

void clear(thread float* p) { *p = 0; }
kernel void use(device float* x [[buffer(0)]]) {
  clear(&x[1]);
}
