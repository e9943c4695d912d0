// MSL 1.5.4 Restrictions: there is no operator noexcept
// expect: noexcept @8
#include <metal_stdlib>
using namespace metal;

int one() { return 1; }
kernel void use(device int* x [[buffer(0)]]) {
  x[0] = noexcept(one());
}
