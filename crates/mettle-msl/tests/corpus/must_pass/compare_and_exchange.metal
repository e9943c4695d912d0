// MSL 6.15.4.4 Atomic Compare and Exchange Functions: the value expected is in thread memory
#include <metal_stdlib>
using namespace metal;

kernel void use(device atomic_uint* a [[buffer(0)]]) {
  uint expected = 0;
  while (!atomic_compare_exchange_weak_explicit(a, &expected, expected + 1, memory_order_relaxed, memory_order_relaxed)) {
  }
}
