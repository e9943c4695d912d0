// MSL 1.5.4 Restrictions: an instance of a template that calls itself is recursive, one that calls another instance is not
// expect: recursion @8
#include <metal_stdlib>
using namespace metal;

template <typename T>
T power(T x, int n) {
  return n == 0 ? T(1) : x * power(x, n - 1);
}
kernel void use(device float* x [[buffer(0)]]) { x[0] = power(x[0], 3); }
