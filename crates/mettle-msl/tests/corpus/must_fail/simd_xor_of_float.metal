// MSL 6.9.2 SIMD-Group Functions: the bitwise reductions take integers
// expect: no matching function for call to 'simd_xor' @6
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return simd_xor(x);
}
