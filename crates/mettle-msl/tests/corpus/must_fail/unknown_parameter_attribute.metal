// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: the attributes of arguments are known
// expect: the attribute buffers is not supported @6
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffers(0)]]) {
  x[0] = 1;
}
