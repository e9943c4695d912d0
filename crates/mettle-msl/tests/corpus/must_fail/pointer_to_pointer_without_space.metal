// MSL 4 Address Spaces: each pointer of a pointer to pointers names its address space
// expect: missing-address-space @6
#include <metal_stdlib>
using namespace metal;

void next(device float** p) {
  ++*p;
}
