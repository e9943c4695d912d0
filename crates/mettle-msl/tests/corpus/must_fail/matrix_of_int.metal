// MSL 2.3 Matrix Data Types: matrices are of half and float
// expect: matrices are of float, half or bfloat @6
#include <metal_stdlib>
using namespace metal;
void f(thread matrix<int, 2, 2>& m) {
  m[0] = 1;
}
