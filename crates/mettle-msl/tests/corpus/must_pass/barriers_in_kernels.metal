// MSL 6.9.1 Threadgroup and SIMD-Group Synchronization Functions: barriers order device and threadgroup memory
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]], uint i [[thread_index_in_threadgroup]]) {
  t[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
  x[i] = t[0];
  simdgroup_barrier(mem_flags::mem_none);
}
