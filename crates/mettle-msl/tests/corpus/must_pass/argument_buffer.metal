// MSL 2.13 Argument Buffers: a struct of pointers is an argument buffer
#include <metal_stdlib>
using namespace metal;

struct Tensors {
  device float* out [[id(0)]];
  device const float* in [[id(1)]];
  constant float* scale [[id(2)]];
};
kernel void use(device Tensors& tensors [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  tensors.out[i] = tensors.in[i] * tensors.scale[0];
}
