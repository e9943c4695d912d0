// MSL 6.3 Integer Functions: popcount takes integers
// expect: no matching function for call to 'popcount' @6
#include <metal_stdlib>
using namespace metal;
float f(float4 x) {
  return popcount(x).x;
}
