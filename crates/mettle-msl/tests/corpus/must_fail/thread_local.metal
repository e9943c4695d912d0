// MSL 1.5.4 Restrictions: there is no storage class thread_local
// expect: storage-class @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device int* x [[buffer(0)]]) {
  thread_local int own = 0;
  x[1] = ++own;
}
