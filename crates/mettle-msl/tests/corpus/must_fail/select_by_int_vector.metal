// MSL 6.4 Relational Functions: the choice is of bools
// expect: no matching function for call to 'select' @6
#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, float4 b, int4 c) {
  return select(a, b, c);
}
