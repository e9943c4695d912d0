// MSL 6.15.4.5 Atomic Fetch and Modify Functions: on int and uint, sums on float as well
#include <metal_stdlib>
using namespace metal;

template <typename A, typename T>
T all_of(device A* a, T x) {
  T r = atomic_fetch_add_explicit(a, x, memory_order_relaxed) + atomic_fetch_sub_explicit(a, x, memory_order_relaxed);
  r += atomic_fetch_and_explicit(a, x, memory_order_relaxed) + atomic_fetch_or_explicit(a, x, memory_order_relaxed);
  r += atomic_fetch_xor_explicit(a, x, memory_order_relaxed);
  return r + atomic_fetch_min_explicit(a, x, memory_order_relaxed) + atomic_fetch_max_explicit(a, x, memory_order_relaxed);
}
kernel void use(device atomic_int* i [[buffer(0)]], device atomic_uint* u [[buffer(1)]], device atomic_float* f [[buffer(2)]]) {
  threadgroup atomic_int shared;
  atomic_fetch_max_explicit(&shared, all_of(i, 3) + int(all_of(u, 4u)), memory_order_relaxed);
  atomic_fetch_add_explicit(f, 1.0f, memory_order_relaxed);
  atomic_fetch_sub_explicit(f, 0.5f, memory_order_relaxed);
}
