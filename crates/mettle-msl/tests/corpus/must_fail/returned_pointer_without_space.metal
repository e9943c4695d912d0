// MSL 4 Address Spaces: a pointer names its address space
// expect: missing-address-space @6
#include <metal_stdlib>
using namespace metal;

float* skip(device float* x) {
  return (device float*)x + 1;
}
