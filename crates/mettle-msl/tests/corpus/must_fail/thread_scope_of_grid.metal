// MSL 6.15.2 Thread Scope: the widest scope is that of the device
// expect: use of undeclared identifier 'thread_scope_grid' @6
#include <metal_stdlib>
using namespace metal;
void f() {
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_grid);
}
