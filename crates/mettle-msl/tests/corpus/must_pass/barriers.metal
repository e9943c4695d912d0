// MSL 6.9.1 Threadgroup and SIMD-Group Synchronization Functions: barriers with every memory flag
#include <metal_stdlib>
#include <metal_compute>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float shared[64];
  shared[i % 64] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = shared[63 - i % 64];
  threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
  simdgroup_barrier(mem_flags::mem_none);
  simdgroup_barrier(mem_flags::mem_device);
  threadgroup_barrier(mem_flags::mem_texture);
}
