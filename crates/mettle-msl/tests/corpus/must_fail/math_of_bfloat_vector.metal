// MSL 6.5 Math Functions: math functions take vectors of half and float
// expect: no matching function for call to 'exp' @6
#include <metal_stdlib>
using namespace metal;
bfloat4 f(bfloat4 x) {
  return exp(x);
}
