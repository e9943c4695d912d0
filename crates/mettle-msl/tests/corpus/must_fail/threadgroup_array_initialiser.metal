// MSL 4.4 Threadgroup Address Space: threadgroup memory has no initialiser
// expect: threadgroup-initializer @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  threadgroup float sums[2] = {0, 0};
  x[0] = sums[1];
}
