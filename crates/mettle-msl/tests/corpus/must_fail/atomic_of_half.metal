// MSL 2.6 Atomic Data Types: atomics are of int, uint, ulong, float and bool
// expect: Metal has atomics of int, uint, ulong, float and bool @6
#include <metal_stdlib>
using namespace metal;
void f(device atomic<half>* a) {
  atomic_store_explicit(a, 1.0h, memory_order_relaxed);
}
