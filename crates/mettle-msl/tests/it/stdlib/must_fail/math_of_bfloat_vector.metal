#include <metal_stdlib>
using namespace metal;
bfloat4 f(bfloat4 x) {
  return exp(x);  // ERROR: no matching function for call to 'exp'
}
