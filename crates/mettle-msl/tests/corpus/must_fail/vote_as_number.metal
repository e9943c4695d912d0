// MSL 6.9.2 SIMD-Group Functions: a simd_vote becomes a number only when written out
// expect: no viable conversion @6
#include <metal_stdlib>
using namespace metal;
uint f(bool x) {
  uint bits = simd_ballot(x);
  return bits;
}
