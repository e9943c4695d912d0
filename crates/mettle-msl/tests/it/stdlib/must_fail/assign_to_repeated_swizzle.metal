#include <metal_stdlib>
using namespace metal;
void f(thread float4& a, float2 b) {
  a.xx = b;  // ERROR: a swizzle that names a component twice cannot be assigned
}
