// MSL 2.2.3 Packed Vector Types: a packed vector becomes a vector of its own size
// expect: no viable conversion @6
#include <metal_stdlib>
using namespace metal;
float4 f(packed_float3 x) {
  return x;
}
