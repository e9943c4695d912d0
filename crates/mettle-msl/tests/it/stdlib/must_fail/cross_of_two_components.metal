#include <metal_stdlib>
using namespace metal;
float2 f(float2 a) {
  return cross(a, a);  // ERROR: cross takes vectors of three components
}
