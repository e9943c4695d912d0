// MSL 6.3 Integer Functions: the amounts have the type of the value
// expect: no matching function for call to 'rotate' @6
#include <metal_stdlib>
using namespace metal;
uint4 f(uint4 x, int4 by) {
  return rotate(x, by);
}
