// MSL 5.1.3 Compute Functions (Kernels): a kernel returns nothing
// expect: kernel-return @6
#include <metal_stdlib>
using namespace metal;

kernel int use(device int* x [[buffer(0)]]) {
  return x[0];
}
