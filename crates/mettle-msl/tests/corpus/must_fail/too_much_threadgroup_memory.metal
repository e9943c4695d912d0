// MSL 4.4 Threadgroup Address Space: a kernel has at most 32 KB of threadgroup memory
// expect: threadgroup-memory @8
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float first[4096];
  threadgroup float second[4097];
  first[i] = second[i] = x[i];
  x[i] = first[0] + second[0];
}
