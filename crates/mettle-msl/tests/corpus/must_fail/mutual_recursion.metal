// MSL 1.5.4 Restrictions: functions that call one another in a circle need a stack of unknown depth
// expect: recursion @11
#include <metal_stdlib>
using namespace metal;

bool is_odd(uint n);
bool is_even(uint n) {
  return n == 0 || is_odd(n - 1);
}
bool is_odd(uint n) {
  return n != 0 && is_even(n - 1);
}
kernel void use(device uint* x [[buffer(0)]]) { x[0] = is_even(x[0]); }
