// MSL 6.15.4.1 Atomic Store Functions: int, uint, bool and float in device and threadgroup memory
#include <metal_stdlib>
using namespace metal;

kernel void use(device atomic_int* i [[buffer(0)]], device atomic_float* f [[buffer(1)]], volatile device atomic_bool* b [[buffer(2)]]) {
  threadgroup atomic_uint shared[2];
  atomic_store_explicit(&shared[0], 1u, memory_order_relaxed);
  atomic_store_explicit(i, 2, memory_order_relaxed);
  atomic_store_explicit(f, 0.5f, memory_order_relaxed);
  atomic_store_explicit(b, true, memory_order_relaxed);
  uint old = atomic_exchange_explicit(&shared[0], 7u, memory_order_relaxed);
  float before = atomic_exchange_explicit(f, 1.5f, memory_order_relaxed);
  int now = atomic_load_explicit(i, memory_order_relaxed) + int(old) + int(before);
  while (!atomic_compare_exchange_weak_explicit(i, &now, now + 1, memory_order_relaxed, memory_order_relaxed)) {
  }
}
