#include <metal_stdlib>
using namespace metal;
void f(thread bfloat& r, bfloat x) {
  r = exp(x);  // ERROR: no viable overloaded '='
}
