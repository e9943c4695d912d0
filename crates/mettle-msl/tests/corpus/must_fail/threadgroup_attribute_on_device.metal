// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: device memory has the attribute buffer
// expect: attribute-space @6
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[threadgroup(0)]]) {
  x[0] = 1;
}
