#include <metal_stdlib>
using namespace metal;
float2 f(float4 a) {
  return a.xg;  // ERROR: no member named 'xg'
}
