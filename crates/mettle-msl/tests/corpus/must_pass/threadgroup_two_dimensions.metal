// MSL 4.4 Threadgroup Address Space: an array of arrays in threadgroup memory gives rows by pointer
#include <metal_stdlib>
using namespace metal;

kernel void transpose(device float* x [[buffer(0)]], ushort2 p [[thread_position_in_threadgroup]]) {
  threadgroup float tile[16][17];
  tile[p.y][p.x] = x[16 * p.y + p.x];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  threadgroup const float* row = tile[p.x];
  x[16 * p.y + p.x] = row[p.y];
}
