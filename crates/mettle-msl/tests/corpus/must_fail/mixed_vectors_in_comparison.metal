// MSL 3.1 Scalar and Vector Operators: both vectors of an operator are of one type
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
bool4 f(int4 a, uint4 b) {
  return a < b;
}
