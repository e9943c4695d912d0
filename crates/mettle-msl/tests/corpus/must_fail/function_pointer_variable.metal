// MSL 1.5.4 Restrictions: no variable points to a function
// expect: function-pointer @8
#include <metal_stdlib>
using namespace metal;

float twice(float x) { return 2 * x; }
kernel void use(device float* x [[buffer(0)]]) {
  float (*f)(float) = twice;
  x[0] = f(x[0]);
}
