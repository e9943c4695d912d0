#include <metal_stdlib>
using namespace metal;
float f(device atomic_float* a) {
  return atomic_fetch_min_explicit(a, 1.0f, memory_order_relaxed);  // ERROR: Metal has no atomic_fetch_min_explicit for this type
}
