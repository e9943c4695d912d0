// MSL 1.5.4 Restrictions: no member points to a function
// expect: function-pointer @7
#include <metal_stdlib>
using namespace metal;

struct Operation {
  float (*run)(float);
};
kernel void use(device float* x [[buffer(0)]]) { x[0] = 1; }
