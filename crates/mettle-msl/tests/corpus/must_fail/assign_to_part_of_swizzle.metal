// MSL 2.2.1 Accessing Vector Components: the components of a swizzle are not a vector that can be written component by component
// expect: rvalue @6
#include <metal_stdlib>
using namespace metal;
void f(thread float4& a) {
  a.xy.x = 1;
}
