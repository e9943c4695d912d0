// MSL 1.5.4 Restrictions: there is no storage class register
// expect: register @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device int* x [[buffer(0)]]) {
  register int fast = x[0];
  x[1] = fast;
}
