// MSL 6.15.4.2 Atomic Load Functions: atomic functions work on atomic types
// expect: no matching function for call to 'atomic_load_explicit' @6
#include <metal_stdlib>
using namespace metal;
uint f(device const uint* a) {
  return atomic_load_explicit(a, memory_order_relaxed);
}
