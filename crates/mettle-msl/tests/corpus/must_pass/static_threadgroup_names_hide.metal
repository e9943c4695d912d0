// MSL 4.4 Threadgroup Address Space: a block declares threadgroup memory of its own
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float shared[1024];
  shared[i] = x[i];
  {
    threadgroup float other[1024];
    other[i] = shared[i];
    x[i] = other[i];
  }
}
