// MSL 4.3 Thread Address Space: functions of the library write through references to thread memory
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  x[0] = modf(x[1], x[2]);
}
