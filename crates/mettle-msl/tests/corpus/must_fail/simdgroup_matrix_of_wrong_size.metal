// MSL 2.4 SIMD-group Matrix Data Types: SIMD-group matrices are 8 x 8
// expect: Metal has SIMD-group matrices of 8 x 8 only @6
#include <metal_stdlib>
using namespace metal;
void f(thread simdgroup_matrix<float, 4, 4>& m) {
  m.thread_elements().x = 0;
}
