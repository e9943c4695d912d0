// MSL 6.2 Common Functions: saturate takes half and float
// expect: no matching function for call to 'saturate' @6
#include <metal_stdlib>
using namespace metal;
int4 f(int4 x) {
  return saturate(x);
}
