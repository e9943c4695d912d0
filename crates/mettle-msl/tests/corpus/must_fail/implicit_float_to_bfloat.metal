// MSL 2.1 Scalar Data Types: float converts to bfloat only when written out
// expect: no viable conversion @6
#include <metal_stdlib>
using namespace metal;
bfloat f(float x) {
  return x;
}
