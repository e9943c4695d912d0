// MSL 5.2 Function Arguments and Variables: a kernel takes pointers and references, and what built-in attributes give
// expect: neither one pointer or reference @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]],
                float scale) {
  x[0] *= scale;
}
