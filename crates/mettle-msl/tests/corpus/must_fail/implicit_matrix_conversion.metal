// MSL 2.21 Implicit Type Conversions: a matrix of half becomes one of float only when written out
// expect: no viable conversion @6
#include <metal_stdlib>
using namespace metal;
float2x2 f(half2x2 m) {
  return m;
}
