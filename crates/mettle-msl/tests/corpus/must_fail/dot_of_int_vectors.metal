// MSL 6.8 Geometric Functions: of vectors of half and float
// expect: no matching function for call to 'dot' @6
#include <metal_stdlib>
using namespace metal;
int f(int4 x) {
  return dot(x, x);
}
