// MSL 6.15.4.5 Atomic Fetch and Modify Functions: on int and uint
// expect: Metal has no atomic_fetch_or_explicit for this type @6
#include <metal_stdlib>
using namespace metal;
void f(device atomic_bool* a) {
  atomic_fetch_or_explicit(a, true, memory_order_relaxed);
}
