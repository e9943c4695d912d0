// MSL 6.3 Integer Functions: both operands have one type
// expect: call to 'addsat' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
int f(int x, uint y) {
  return addsat(x, y);
}
