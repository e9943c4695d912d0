// MSL 1.5.1 Overloading: kernels are not overloaded
// expect: a second kernel is named @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) { x[0] = 1; }
kernel void use(device int* x [[buffer(0)]]) {
  x[0] = 1;
}
