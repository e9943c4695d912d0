// MSL 6.15.1 Memory Order: there are two memory orders
// expect: use of undeclared identifier 'memory_order_release' @6
#include <metal_stdlib>
using namespace metal;
void f(device atomic_uint* a) {
  atomic_store_explicit(a, 1u, memory_order_release);
}
