// MSL 3.1 Scalar and Vector Operators: a shift is by integers
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
int4 f(int4 x, float4 by) {
  return x << by;
}
