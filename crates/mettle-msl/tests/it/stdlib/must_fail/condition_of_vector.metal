#include <metal_stdlib>
using namespace metal;
float4 f(float4 a, float4 b) {
  return a < b ? a : b;  // ERROR: not contextually convertible to 'bool'
}
