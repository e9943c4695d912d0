// MSL 6.9.1 Threadgroup and SIMD-Group Synchronization Functions: a barrier takes mem_flags, not a number
// expect: no matching function for call to 'simdgroup_barrier' @6
#include <metal_stdlib>
using namespace metal;
void f() {
  simdgroup_barrier(2);
}
