#include <metal_stdlib>
using namespace metal;
void f(thread simdgroup_matrix<int, 8, 8>& m) {
  m.thread_elements().x = 0;  // ERROR: SIMD-group matrices hold half, bfloat or float
}
