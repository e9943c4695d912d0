// MSL 2.21 Implicit Type Conversions: a vector converts to one of other components only when written out
// expect: no viable overloaded @7
#include <metal_stdlib>
using namespace metal;
float3 f(int3 a) {
  float3 b;
  b = a;
  return b;
}
