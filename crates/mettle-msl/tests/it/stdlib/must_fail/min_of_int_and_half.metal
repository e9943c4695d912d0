#include <metal_stdlib>
using namespace metal;
half f() {
  return min(1, 2.0h);  // ERROR: call to 'min' is ambiguous
}
