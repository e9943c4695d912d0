// MSL 1.5.2 Templates: a template parameter stands for a pointer with its address space
#include <metal_stdlib>
using namespace metal;

template <typename Pointer>
float first(Pointer p) { return p[0]; }
template <typename T, typename U>
struct Both {
  T a;
  U b;
};
kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]]) {
  t[0] = 1;
  Both<device float*, threadgroup float*> both = {x, t};
  x[0] = first(x) + first(t) + both.a[0] + both.b[0];
}
