// MSL 6.5 Math Functions: math functions take floating-point types
// expect: call to 'exp' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
float f(int x) {
  return exp(x);
}
