// MSL 2.1 Scalar Data Types: there is no long double
// expect: double @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
  long double d = x[0];
  x[0] = d;
}
