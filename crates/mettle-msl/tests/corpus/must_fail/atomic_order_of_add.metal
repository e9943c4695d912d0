// MSL 6.15.1 Memory Order: atomic functions but fences are relaxed
// expect: atomic operations are memory_order_relaxed @6
#include <metal_stdlib>
using namespace metal;
void f(device atomic_uint* a) {
  atomic_fetch_add_explicit(a, 1u, memory_order_seq_cst);
}
