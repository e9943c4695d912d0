// MSL 4.4 Threadgroup Address Space: threadgroup memory is passed on by pointer
#include <metal_stdlib>
using namespace metal;

float total(threadgroup const float* x, uint n) {
  float sum = 0;
  for (uint k = 0; k < n; k++) sum += x[k];
  return sum;
}
kernel void use(device float* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float shared[64];
  shared[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  threadgroup float* upper = &shared[32];
  threadgroup float4* wide = (threadgroup float4*)shared;
  x[i] = total(upper, 32) + wide[1].x;
}
