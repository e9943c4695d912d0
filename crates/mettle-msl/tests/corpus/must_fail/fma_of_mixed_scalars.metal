// MSL 6.5 Math Functions: operands have one type
// expect: call to 'fma' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
float f(float x, half y) {
  return fma(x, y, 1.0f);
}
