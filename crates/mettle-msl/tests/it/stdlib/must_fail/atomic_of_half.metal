#include <metal_stdlib>
using namespace metal;
void f(device atomic<half>* a) {
  atomic_store_explicit(a, 1.0h, memory_order_relaxed);  // ERROR: Metal has atomics of int, uint, ulong, float and bool
}
