#include <metal_stdlib>
using namespace metal;
bfloat f(float x) {
  return x;  // ERROR: no viable conversion
}
