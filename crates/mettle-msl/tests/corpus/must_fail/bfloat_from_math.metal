// MSL 6.5 Math Functions: math functions of a bfloat are those of float; the result does not convert back by itself
// expect: no viable overloaded '=' @6
#include <metal_stdlib>
using namespace metal;
void f(thread bfloat& r, bfloat x) {
  r = exp(x);
}
