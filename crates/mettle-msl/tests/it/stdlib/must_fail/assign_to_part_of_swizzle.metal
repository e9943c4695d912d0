#include <metal_stdlib>
using namespace metal;
void f(thread float4& a) {
  a.xy.x = 1;  // ERROR: rvalue
}
