#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return simd_xor(x);  // ERROR: no matching function for call to 'simd_xor'
}
