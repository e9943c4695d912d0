// MSL 6.15.4.4 Atomic Compare and Exchange Functions: the expected value of a compare-and-exchange is in thread memory
// expect: address-space @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device atomic_uint* a [[buffer(0)]], device uint* e [[buffer(1)]]) {
  atomic_compare_exchange_weak_explicit(a, e, 1u, memory_order_relaxed, memory_order_relaxed);
}
