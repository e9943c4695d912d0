// MSL 4.4 Threadgroup Address Space: 32 KB of threadgroup memory are there
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float first[4096];
  threadgroup float second[4096];
  first[i] = second[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = first[0] + second[0];
}
