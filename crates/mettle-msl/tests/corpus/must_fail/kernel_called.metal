// MSL 5.1 Functions: a kernel is not called
// expect: kernel-call @8
#include <metal_stdlib>
using namespace metal;

kernel void first(device float* x [[buffer(0)]]) { x[0] = 1; }
kernel void second(device float* x [[buffer(0)]]) {
  first(x);
}
