// MSL 1.5.4 Restrictions: a function takes a known number of arguments
// expect: variadic @6
#include <metal_stdlib>
using namespace metal;

int first(int a, ...) {
  return a;
}
kernel void use(device int* x [[buffer(0)]]) { x[0] = first(1, 2, 3); }
