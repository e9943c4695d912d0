// MSL 4.1 Device Address Space: a pointer to const is not written through
// expect: read-only @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device const float* x [[buffer(0)]]) {
  x[0] = 1;
}
