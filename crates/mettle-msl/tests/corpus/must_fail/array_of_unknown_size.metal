// MSL 1.5.4 Restrictions: the size of an array is known when the source is compiled
// expect: array-size @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], constant int& n [[buffer(1)]]) {
  float own[n];
  own[0] = x[0];
  x[0] = own[0];
}
