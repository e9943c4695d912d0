// MSL 2.2.1 Accessing Vector Components: a swizzle that is assigned names no component twice
// expect: a swizzle that names a component twice cannot be assigned @6
#include <metal_stdlib>
using namespace metal;
void f(thread float4& a, float2 b) {
  a.xx = b;
}
