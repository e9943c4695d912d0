// MSL 2.2.1 Accessing Vector Components: a swizzle is of xyzw or of rgba, not of both
// expect: no member named 'xg' @6
#include <metal_stdlib>
using namespace metal;
float2 f(float4 a) {
  return a.xg;
}
