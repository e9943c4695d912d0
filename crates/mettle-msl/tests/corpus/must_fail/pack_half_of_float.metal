// MSL 6.14.2 Convert Floating-Point Vector to Integers, then Pack the Integers: pack_half takes vectors of half
// expect: no matching function for call to 'pack_half_to_unorm2x16' @6
#include <metal_stdlib>
using namespace metal;
uint f(float2 x) {
  return pack_half_to_unorm2x16(x);
}
