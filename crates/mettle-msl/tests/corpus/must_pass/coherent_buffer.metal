// MSL 4.8 Memory Coherency: coherent(device) makes writes seen by the whole device
#include <metal_stdlib>
using namespace metal;

kernel void use(coherent(device) device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  x[i] += 1;
}
