// MSL 2.21 Implicit Type Conversions: scalars convert to one another by themselves
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], device half* y [[buffer(1)]], device int* z [[buffer(2)]]) {
  x[0] = y[0];
  y[0] = x[0];
  z[0] = int(x[0]) + y[0];
  x[1] = z[0];
}
