// MSL 6.2 Common Functions: operands have one type
// expect: no matching function for call to 'mix' @6
#include <metal_stdlib>
using namespace metal;
float4 f(float4 x, half4 y) {
  return mix(x, y, 0.5f);
}
