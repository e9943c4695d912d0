// MSL 6.15.3 Fence Functions: atomic_thread_fence with an order and a scope
#include <metal_stdlib>
#include <metal_atomic>
using namespace metal;

kernel void use(device int* data [[buffer(0)]], device atomic_uint* flag [[buffer(1)]]) {
  data[0] = 1;
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);
  atomic_store_explicit(flag, 1u, memory_order_relaxed);
  atomic_thread_fence(mem_flags::mem_threadgroup, memory_order_relaxed, thread_scope_threadgroup);
  atomic_thread_fence(mem_flags::mem_device | mem_flags::mem_threadgroup, memory_order_seq_cst, thread_scope_simdgroup);
}
