// MSL 6.9.1 Threadgroup and SIMD-Group Synchronization Functions: a barrier says which memory it orders
// expect: no matching function for call to 'threadgroup_barrier' @6
#include <metal_stdlib>
using namespace metal;
void f() {
  threadgroup_barrier();
}
