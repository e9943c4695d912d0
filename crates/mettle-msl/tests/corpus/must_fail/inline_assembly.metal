// MSL 1.5.4 Restrictions: there is no inline assembly
// expect: asm @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device int* x [[buffer(0)]]) {
  asm("nop");
  x[0] = 1;
}
