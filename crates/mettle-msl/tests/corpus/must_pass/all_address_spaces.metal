// MSL 4 Address Spaces: pointers and references name their address space
#include <metal_stdlib>
using namespace metal;

struct Pair { float a, b; };
float first(device const Pair* p) { return p->a; }
float second(constant Pair& p) { return p.b; }
void set(thread float& x, threadgroup float* y) { x = *y; }
kernel void use(device Pair* p [[buffer(0)]], constant Pair& c [[buffer(1)]], threadgroup float* t [[threadgroup(0)]]) {
  float x = 0;
  t[0] = second(c);
  set(x, t);
  p->a = x + first(p);
}
