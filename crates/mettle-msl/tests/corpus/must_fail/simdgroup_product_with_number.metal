// MSL 6.7.2 Matrix Operations: matrices multiply with matrices
// expect: no matching function for call to 'simdgroup_multiply' @6
#include <metal_stdlib>
using namespace metal;
void f(thread simdgroup_float8x8& m) {
  simdgroup_multiply(m, m, 2.0f);
}
