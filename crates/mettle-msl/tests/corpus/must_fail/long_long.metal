// MSL 2.1 Scalar Data Types: there is no long long
// expect: long-long @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device long* x [[buffer(0)]]) {
  unsigned long long d = x[0];
  x[0] = d;
}
