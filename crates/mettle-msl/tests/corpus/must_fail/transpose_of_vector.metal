// MSL 6.6 Matrix Functions: transpose takes a matrix
// expect: no matching function for call to 'transpose' @6
#include <metal_stdlib>
using namespace metal;
float4 f(float4 v) {
  return transpose(v);
}
