// MSL 6.7.1 Creating, Loading, and Storing Matrix Elements: a matrix is loaded from elements of its own type
// expect: no matching function for call to 'simdgroup_load' @7
#include <metal_stdlib>
using namespace metal;
void f(device const int* x) {
  simdgroup_float8x8 m;
  simdgroup_load(m, x);
}
