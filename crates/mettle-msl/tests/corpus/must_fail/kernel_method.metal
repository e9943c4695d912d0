// MSL 5.1.3 Compute Functions (Kernels): a kernel is not a member of a struct
// expect: kernel-member @7
#include <metal_stdlib>
using namespace metal;

struct Model {
  kernel void run(device float* x [[buffer(0)]]) { x[0] = 1; }
};
