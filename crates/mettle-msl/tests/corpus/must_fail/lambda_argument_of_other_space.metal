// MSL 4 Address Spaces: a lambda's references keep their address space
// expect: address-space @8
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  auto twice = [](thread float& v) { v *= 2; };
  twice(x[0]);
}
