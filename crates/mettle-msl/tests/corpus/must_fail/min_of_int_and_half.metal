// MSL 6.2 Common Functions: the arguments of min are of one type
// expect: call to 'min' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
half f() {
  return min(1, 2.0h);
}
