// MSL 6.15.4 Atomic Functions: atomics live in device and in threadgroup memory
#include <metal_stdlib>
using namespace metal;

kernel void count(device atomic_uint* total [[buffer(0)]], device const uint* x [[buffer(1)]],
                  uint i [[thread_position_in_grid]], uint t [[thread_index_in_threadgroup]]) {
  threadgroup atomic_uint own;
  if (t == 0) atomic_store_explicit(&own, 0u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(&own, x[i] & 1, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t == 0) atomic_fetch_add_explicit(total, atomic_load_explicit(&own, memory_order_relaxed), memory_order_relaxed);
}
