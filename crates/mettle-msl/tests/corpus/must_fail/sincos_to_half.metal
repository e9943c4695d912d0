// MSL 6.5 Math Functions: both results have the type of the operand
// expect: no matching function for call to 'sincos' @7
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  half cosine;
  return sincos(x, cosine);
}
