#include <metal_stdlib>
using namespace metal;
void f(thread matrix<int, 2, 2>& m) {
  m[0] = 1;  // ERROR: matrices are of float, half or bfloat
}
