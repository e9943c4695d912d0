// MSL 4.4 Threadgroup Address Space: an atomic in threadgroup memory has no initialiser
// expect: threadgroup-initializer @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device uint* x [[buffer(0)]]) {
  threadgroup atomic_uint count{0};
  x[0] = atomic_load_explicit(&count, memory_order_relaxed);
}
