// MSL 6.9.2 SIMD-Group Functions: there are none for 64-bit integers
// expect: no matching function for call to 'simd_shuffle' @6
#include <metal_stdlib>
using namespace metal;
ulong f(ulong x) {
  return simd_shuffle(x, 1);
}
