// MSL 6.15.4.6 Atomic Modify Functions (64 Bits): the functions without a result are for atomic_ulong
// expect: no matching function for call to 'atomic_max_explicit' @6
#include <metal_stdlib>
using namespace metal;
void f(device atomic_uint* a) {
  atomic_max_explicit(a, 1u, memory_order_relaxed);
}
