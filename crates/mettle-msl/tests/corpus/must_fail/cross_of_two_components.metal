// MSL 6.8 Geometric Functions: cross takes vectors of three components
// expect: cross takes vectors of three components @6
#include <metal_stdlib>
using namespace metal;
float2 f(float2 a) {
  return cross(a, a);
}
