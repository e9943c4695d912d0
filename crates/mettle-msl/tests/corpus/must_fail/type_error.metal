// MSL 1.5.2 Templates: templates are checked where they are instantiated
// expect: no member named 'w' @8
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void use(device T* x [[buffer(0)]]) {
  x[0] = x[0].w;
}
template [[host_name("two")]] kernel void use<float2>(device float2*);
