// MSL 1.5.4 Restrictions: functions that call themselves need a stack of unknown depth
// expect: recursion @7
#include <metal_stdlib>
using namespace metal;

int factorial(int n) {
  return n < 2 ? 1 : n * factorial(n - 1);
}
kernel void use(device int* x [[buffer(0)]]) { x[0] = factorial(x[0]); }
