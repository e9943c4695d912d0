// MSL 2.6 Atomic Data Types: an atomic is read and written by atomic functions only
// expect: invalid operands to binary expression @6
#include <metal_stdlib>
using namespace metal;
int f(device atomic_int& a) {
  return a + 1;
}
