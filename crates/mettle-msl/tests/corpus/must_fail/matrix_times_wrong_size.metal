// MSL 3.2 Matrix Operators: a matrix is multiplied by a vector with one component for each of its columns
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
float3 f(float3x3 m, float2 v) {
  return m * v;
}
