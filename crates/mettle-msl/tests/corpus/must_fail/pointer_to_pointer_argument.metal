// MSL 5.2 Function Arguments and Variables: a kernel's argument is one pointer
// expect: neither one pointer or reference @6
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* device* x [[buffer(0)]]) {
  x[0][0] = 1;
}
