#include <metal_stdlib>
using namespace metal;
float4 f(float4 a) {
  return a & a;  // ERROR: invalid operands to binary expression
}
