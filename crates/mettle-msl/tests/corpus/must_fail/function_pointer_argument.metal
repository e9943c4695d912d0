// MSL 1.5.4 Restrictions: functions are passed as template arguments or objects, not by pointer
// expect: function-pointer @7
#include <metal_stdlib>
using namespace metal;

float twice(float x) { return 2 * x; }
float apply(float (*f)(float), float x) {
  return f(x);
}
kernel void use(device float* x [[buffer(0)]]) { x[0] = apply(twice, x[0]); }
