// MSL 4.4 Threadgroup Address Space: structs live in threadgroup memory
#include <metal_stdlib>
using namespace metal;

struct Best { float value; uint index; };
kernel void use(device float* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup Best best[32];
  best[i].value = x[i];
  best[i].index = i;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const Best found = best[31 - i];
  x[i] = found.value + found.index;
}
