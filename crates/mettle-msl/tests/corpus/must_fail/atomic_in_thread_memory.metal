// MSL 6.15.4 Atomic Functions: the objects of atomic functions are in device or threadgroup memory
// expect: address-space @8
#include <metal_stdlib>
using namespace metal;

kernel void use(device uint* x [[buffer(0)]]) {
  atomic_uint own;
  x[0] = atomic_fetch_add_explicit(&own, 1u, memory_order_relaxed);
}
