#include <metal_stdlib>
using namespace metal;
float f(float2 a) {
  return a.z;  // ERROR: no member named 'z'
}
