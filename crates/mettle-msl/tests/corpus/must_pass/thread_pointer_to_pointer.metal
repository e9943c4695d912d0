// MSL 4 Address Spaces: each pointer of a pointer to pointers names its address space
#include <metal_stdlib>
using namespace metal;

void next(device float* thread* p) { ++*p; }
kernel void use(device float* x [[buffer(0)]]) {
  device float* p = x;
  next(&p);
  *p = 1;
}
