// MSL 4.4 Threadgroup Address Space: a kernel declares and takes threadgroup memory
#include <metal_stdlib>
using namespace metal;

kernel void reverse(device float* x [[buffer(0)]], threadgroup float* dynamic [[threadgroup(0)]],
                    uint i [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  threadgroup float fixed[256];
  threadgroup float sums[8][4], total;
  fixed[i] = x[i];
  dynamic[i] = x[i];
  if (i == 0) total = sums[0][0] = 1;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = fixed[n - 1 - i] + dynamic[i] + total;
}
