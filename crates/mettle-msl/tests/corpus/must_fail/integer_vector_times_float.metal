// MSL 3.1 Scalar and Vector Operators: the scalar operand of a vector operator converts to the component type
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
int4 f(int4 a) {
  return a * 1.5f;
}
