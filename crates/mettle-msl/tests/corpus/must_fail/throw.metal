// MSL 1.5.4 Restrictions: there are no exceptions
// expect: exceptions @7
#include <metal_stdlib>
using namespace metal;

void refuse(int x) {
  if (x < 0) throw 1;
}
kernel void use(device int* x [[buffer(0)]]) { refuse(x[0]); }
