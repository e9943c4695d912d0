// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: the indices of buffers are different
// expect: same index @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]],
                device float* y [[buffer(0)]]) {
  x[0] = y[0];
}
