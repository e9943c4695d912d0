#include <metal_stdlib>
using namespace metal;
void f(thread float4& a) {
  thread float& x = a.x;  // ERROR: cannot bind to a temporary
  x = 1;
}
