// MSL 6.2 Common Functions: the arguments of clamp are of one type
// expect: call to 'clamp' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return clamp(x, 0, 1);
}
