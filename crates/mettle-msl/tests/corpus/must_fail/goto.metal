// MSL 1.5.4 Restrictions: there is no goto
// expect: goto @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  if (x[0] < 0) goto out;
  x[0] = 1;
out:
  x[1] = 2;
}
