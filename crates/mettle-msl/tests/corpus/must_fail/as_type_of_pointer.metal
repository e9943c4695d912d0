// MSL 2.20 Type Conversions and Reinterpreting Data: as_type takes scalars and vectors
// expect: as_type needs scalars or vectors @6
#include <metal_stdlib>
using namespace metal;
ulong f(device int* p) {
  return as_type<ulong>(p);
}
