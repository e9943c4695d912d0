// MSL 6.15.4.5 Atomic Fetch and Modify Functions: float has atomic addition and subtraction, no minimum
// expect: Metal has no atomic_fetch_min_explicit for this type @6
#include <metal_stdlib>
using namespace metal;
float f(device atomic_float* a) {
  return atomic_fetch_min_explicit(a, 1.0f, memory_order_relaxed);
}
