// MSL 6.3 Integer Functions: the arguments of max are of one type
// expect: call to 'max' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
uint f(int x, uint y) {
  return max(x, y);
}
