// MSL 2.2.2 Vector Constructors: a constructor gives every component or one for all
// expect: no matching constructor @6
#include <metal_stdlib>
using namespace metal;
float4 f(float a) {
  return float4(a, a, a);
}
