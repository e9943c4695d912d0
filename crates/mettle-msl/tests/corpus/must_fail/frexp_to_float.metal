// MSL 6.5 Math Functions: the exponent is an int
// expect: no matching function for call to 'frexp' @7
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  float exponent;
  return frexp(x, exponent);
}
