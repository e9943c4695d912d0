// MSL 1.5.4 Restrictions: there is no new
// expect: dynamic-memory @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  thread float* p = new float(1);
  x[0] = *p;
}
