// MSL 2.4 SIMD-group Matrix Data Types: SIMD-group matrices are of half, bfloat and float
// expect: SIMD-group matrices hold half, bfloat or float @6
#include <metal_stdlib>
using namespace metal;
void f(thread simdgroup_matrix<int, 8, 8>& m) {
  m.thread_elements().x = 0;
}
