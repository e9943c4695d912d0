// MSL 2.2.2 Vector Constructors: a vector is made of scalars and of vectors of its own component type
// expect: no matching constructor @6
#include <metal_stdlib>
using namespace metal;
float4 f(half2 a) {
  return float4(a, 1, 2);
}
