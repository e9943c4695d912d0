// MSL 2.13 Argument Buffers: the pointers of an argument buffer lead to device and constant memory
// expect: argument-buffer-pointer @7
#include <metal_stdlib>
using namespace metal;

struct Tensors {
  thread float* own;
  device float* out;
};
kernel void use(constant Tensors& t [[buffer(0)]]) { t.out[0] = 1; }
