#include <metal_stdlib>
using namespace metal;
struct pair { float a, b; };
pair f(pair p) {
  return simd_sum(p);  // ERROR: SIMD-group functions take scalars and vectors
}
