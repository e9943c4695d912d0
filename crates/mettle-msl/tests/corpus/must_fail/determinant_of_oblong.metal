// MSL 6.6 Matrix Functions: a determinant is of a square matrix
// expect: no matching function for call to 'determinant' @6
#include <metal_stdlib>
using namespace metal;
float f(float2x3 m) {
  return determinant(m);
}
