// MSL 6.14.2 Convert Floating-Point Vector to Integers, then Pack the Integers: a layout has as many components as the vector
// expect: no matching function for call to 'pack_float_to_unorm4x8' @6
#include <metal_stdlib>
using namespace metal;
uint f(float3 x) {
  return pack_float_to_unorm4x8(x);
}
