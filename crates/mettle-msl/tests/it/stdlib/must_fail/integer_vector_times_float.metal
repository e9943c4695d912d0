#include <metal_stdlib>
using namespace metal;
int4 f(int4 a) {
  return a * 1.5f;  // ERROR: invalid operands to binary expression
}
