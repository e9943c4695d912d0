// MSL 6.8 Geometric Functions: both have one type
// expect: no matching function for call to 'distance' @6
#include <metal_stdlib>
using namespace metal;
float f(float2 x, half2 y) {
  return distance(x, y);
}
