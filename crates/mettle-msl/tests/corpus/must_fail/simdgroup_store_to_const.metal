// MSL 6.7.1 Creating, Loading, and Storing Matrix Elements: constant memory is not written
// expect: no matching function for call to 'simdgroup_store' @6
#include <metal_stdlib>
using namespace metal;
void f(simdgroup_float8x8 m, constant float* x) {
  simdgroup_store(m, x);
}
