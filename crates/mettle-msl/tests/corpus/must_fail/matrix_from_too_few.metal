// MSL 2.3.2 Matrix Constructors: a matrix takes a diagonal, all columns or all components
// expect: no matching constructor for initialization of @6
#include <metal_stdlib>
using namespace metal;
float2x2 f(float x) {
  return float2x2(x, x, x);
}
