#include <metal_stdlib>
using namespace metal;
float f(int x) {
  return exp(x);  // ERROR: call to 'exp' is ambiguous
}
