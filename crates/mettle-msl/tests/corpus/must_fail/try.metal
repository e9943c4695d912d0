// MSL 1.5.4 Restrictions: there are no exceptions
// expect: exceptions @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device int* x [[buffer(0)]]) {
  try {
    x[0] = 1;
  } catch (...) {
  }
}
