// MSL 6.2 Common Functions: the arguments of max are of one type
// expect: call to 'max' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return max(x, 0);
}
