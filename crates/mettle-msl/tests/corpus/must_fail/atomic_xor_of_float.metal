// MSL 6.15.4.5 Atomic Fetch and Modify Functions: float only adds and subtracts
// expect: Metal has no atomic_fetch_xor_explicit for this type @6
#include <metal_stdlib>
using namespace metal;
void f(device atomic_float* a) {
  atomic_fetch_xor_explicit(a, 1.0f, memory_order_relaxed);
}
