// MSL 2.1 Scalar Data Types: half converts to bfloat only when written out
// expect: no viable overloaded '=' @6
#include <metal_stdlib>
using namespace metal;
void f(thread bfloat& r, half x) {
  r = x;
}
