#include <metal_stdlib>
using namespace metal;
void f(thread bfloat& r, half x) {
  r = x;  // ERROR: no viable overloaded '='
}
