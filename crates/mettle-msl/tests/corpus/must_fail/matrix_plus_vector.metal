// MSL 3.2 Matrix Operators: a matrix adds to a matrix of its type
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
float2x2 f(float2x2 m, float2 v) {
  return m + v;
}
