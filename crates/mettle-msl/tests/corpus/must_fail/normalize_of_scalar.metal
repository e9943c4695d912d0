// MSL 6.8 Geometric Functions: of vectors
// expect: no matching function for call to 'normalize' @6
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return normalize(x);
}
