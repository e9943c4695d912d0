// MSL 6.9.2 SIMD-Group Functions: there are none for bool
// expect: no matching function for call to 'simd_sum' @6
#include <metal_stdlib>
using namespace metal;
bool f(bool x) {
  return simd_sum(x);
}
