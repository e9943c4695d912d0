// MSL 6.9.2 SIMD-Group Functions: there are none for vectors of bool
// expect: no matching function for call to 'simd_broadcast_first' @6
#include <metal_stdlib>
using namespace metal;
bool4 f(bool4 x) {
  return simd_broadcast_first(x);
}
