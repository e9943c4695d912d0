#include <metal_stdlib>
using namespace metal;
half f(float a) {
  return as_type<half>(a);  // ERROR: as_type needs types of the same size
}
