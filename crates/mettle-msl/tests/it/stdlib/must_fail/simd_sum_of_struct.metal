#include <metal_stdlib>
using namespace metal;
struct pair { float a, b; };
pair f(pair p) {
  return simd_sum(p);  // ERROR: no matching function for call to 'simd_sum'
}
