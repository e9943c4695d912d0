#include <metal_stdlib>
using namespace metal;
int f(device atomic_int& a) {
  return a + 1;  // ERROR: invalid operands to binary expression
}
