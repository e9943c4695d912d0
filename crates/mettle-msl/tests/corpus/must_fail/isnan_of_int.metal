// MSL 6.4 Relational Functions: tests take floating-point types
// expect: no matching function for call to 'isnan' @6
#include <metal_stdlib>
using namespace metal;
bool f(int x) {
  return isnan(x);
}
