// MSL 6.2 Common Functions: the arguments of max are of one type
// expect: no matching function for call to 'max' @6
#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, half4 b) {
  return max(a, b);
}
