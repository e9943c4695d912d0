#include <metal_stdlib>
using namespace metal;
float f(float x, half y) {
  return pow(x, y);  // ERROR: call to 'pow' is ambiguous
}
