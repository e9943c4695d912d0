// MSL 2.20 Type Conversions and Reinterpreting Data: as_type reinterprets a value as another type of the same size
// expect: as_type needs types of the same size @6
#include <metal_stdlib>
using namespace metal;
half f(float a) {
  return as_type<half>(a);
}
