// MSL 6.5 Math Functions: the arguments of pow are of one type
// expect: call to 'pow' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
float f(float x, half y) {
  return pow(x, y);
}
