// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: threadgroup memory has the attribute threadgroup
// expect: attribute-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]],
                threadgroup float* t [[buffer(1)]]) {
  t[0] = x[0];
}
