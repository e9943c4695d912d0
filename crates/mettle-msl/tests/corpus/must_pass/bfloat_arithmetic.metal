// MSL 2.1 Scalar Data Types: bfloat computes and converts to float by itself
#include <metal_stdlib>
using namespace metal;

kernel void use(device bfloat* x [[buffer(0)]], device float* out [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  const bfloat a = x[i];
  out[i] = a;
  x[i] = a * a + bfloat(1.0f);
}
