#include <metal_stdlib>
using namespace metal;
float f(float x) {
  return clamp(x, 0, 1);  // ERROR: call to 'clamp' is ambiguous
}
