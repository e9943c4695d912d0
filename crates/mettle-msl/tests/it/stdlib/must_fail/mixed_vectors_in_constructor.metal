#include <metal_stdlib>
using namespace metal;
float4 f(half2 a) {
  return float4(a, 1, 2);  // ERROR: no matching constructor
}
