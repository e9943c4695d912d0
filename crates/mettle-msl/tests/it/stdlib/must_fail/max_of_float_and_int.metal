#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return max(x, 0);  // ERROR: call to 'max' is ambiguous
}
