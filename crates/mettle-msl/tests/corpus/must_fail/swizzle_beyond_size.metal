// MSL 2.2.1 Accessing Vector Components: a swizzle names components that the vector has
// expect: no member named 'z' @6
#include <metal_stdlib>
using namespace metal;
float f(float2 a) {
  return a.z;
}
