// MSL 5.3 Storage Class Specifiers: a variable of a function is not static
// expect: static-local @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device int* x [[buffer(0)]]) {
  static int calls = 0;
  x[0] = ++calls;
}
