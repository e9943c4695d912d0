// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: the indices of buffers are 0 to 30
// expect: constant from 0 to 30 @6
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(-1)]]) {
  x[0] = 1;
}
