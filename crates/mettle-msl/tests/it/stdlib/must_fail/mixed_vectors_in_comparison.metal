#include <metal_stdlib>
using namespace metal;
bool4 f(int4 a, uint4 b) {
  return a < b;  // ERROR: invalid operands to binary expression
}
