#include <metal_stdlib>
using namespace metal;
void f(thread simdgroup_matrix<float, 4, 4>& m) {
  m.thread_elements().x = 0;  // ERROR: Metal has SIMD-group matrices of 8 x 8 only
}
