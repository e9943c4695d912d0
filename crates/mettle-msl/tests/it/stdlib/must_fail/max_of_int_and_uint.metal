#include <metal_stdlib>
using namespace metal;
uint f(int x, uint y) {
  return max(x, y);  // ERROR: call to 'max' is ambiguous
}
