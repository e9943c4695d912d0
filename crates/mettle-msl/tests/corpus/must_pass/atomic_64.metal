// MSL 6.15.4.6 Atomic Modify Functions (64 Bits): minima and maxima of ulong
#include <metal_stdlib>
using namespace metal;

kernel void use(device atomic_ulong* a [[buffer(0)]], device atomic<ulong>* b [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  atomic_max_explicit(a, ulong(i) << 32 | i, memory_order_relaxed);
  atomic_min_explicit(b, ulong(i), memory_order_relaxed);
}
