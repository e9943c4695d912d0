// MSL 4.4 Threadgroup Address Space: threadgroup memory is declared in kernels
// expect: threadgroup-variable @7
#include <metal_stdlib>
using namespace metal;

float share(float x) {
  threadgroup float shared;
  shared = x;
  return shared;
}
kernel void use(device float* x [[buffer(0)]]) { x[0] = share(x[0]); }
