// MSL 6.4 Relational Functions: all and any take bools
// expect: no matching function for call to 'all' @6
#include <metal_stdlib>
using namespace metal;
bool f(int4 x) {
  return all(x);
}
