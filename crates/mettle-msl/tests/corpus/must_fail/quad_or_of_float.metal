// MSL 6.9.3 Quad-Group Functions: the bitwise reductions take integers
// expect: no matching function for call to 'quad_or' @6
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return quad_or(x);
}
