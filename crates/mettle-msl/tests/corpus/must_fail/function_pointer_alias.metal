// MSL 1.5.4 Restrictions: no type is a pointer to a function
// expect: function-pointer @6
#include <metal_stdlib>
using namespace metal;

using unary = float (*)(float);
float twice(float x) { return 2 * x; }
kernel void use(device float* x [[buffer(0)]]) {
  unary f = twice;
  x[0] = f(x[0]);
}
