// MSL 2.2.1 Accessing Vector Components: no reference leads to a component of a vector
// expect: cannot bind to a temporary @6
#include <metal_stdlib>
using namespace metal;
void f(thread float4& a) {
  thread float& x = a.x;
  x = 1;
}
