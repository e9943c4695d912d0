// MSL 6.9.2 SIMD-Group Functions: SIMD-group functions take scalars and vectors
// expect: no matching function for call to 'simd_sum' @7
#include <metal_stdlib>
using namespace metal;
struct pair { float a, b; };
pair f(pair p) {
  return simd_sum(p);
}
