// MSL 5.2.1 Locating Buffer, Texture, and Sampler Arguments: indices that are not written are given in order
#include <metal_stdlib>
using namespace metal;

kernel void use(device const float* x, device float* y, constant float& f, uint i [[thread_position_in_grid]]) {
  y[i] = f * x[i];
}
