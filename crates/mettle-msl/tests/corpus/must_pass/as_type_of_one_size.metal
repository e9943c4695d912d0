// MSL 2.20 Type Conversions and Reinterpreting Data: as_type reinterprets the bits of a value of the same size
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], device uint* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  y[i] = as_type<uint>(x[i]);
  x[i] = as_type<float>(y[i] ^ 0x80000000u);
  const half2 pair = as_type<half2>(y[i]);
  x[i] += float(pair.x);
}
