// MSL 4 Address Spaces: a pointer to an atomic keeps its address space
// expect: address-space @8
#include <metal_stdlib>
using namespace metal;

void add(device atomic_uint* a) { atomic_fetch_add_explicit(a, 1u, memory_order_relaxed); }
kernel void use(device uint* x [[buffer(0)]], threadgroup atomic_uint* t [[threadgroup(0)]]) {
  add(t);
}
