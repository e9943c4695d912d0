// MSL 4.2 Constant Address Space: the constant address space is not written
// expect: read-only @7
#include <metal_stdlib>
using namespace metal;

kernel void use(constant float* c [[buffer(0)]]) {
  c[0] = 1;
}
