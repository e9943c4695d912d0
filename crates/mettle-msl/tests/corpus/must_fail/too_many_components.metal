// MSL 2.2.2 Vector Constructors: a constructor gives no more components than there are
// expect: no matching constructor @6
#include <metal_stdlib>
using namespace metal;
float3 f(float4 a, float b) {
  return float3(a, b);
}
