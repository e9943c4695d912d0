// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: a kernel takes up to 31 buffers
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* first [[buffer(0)]], device float* last [[buffer(30)]],
                threadgroup float* t [[threadgroup(30)]]) {
  t[0] = first[0];
  last[0] = t[0];
}
