// MSL 1.5.4 Restrictions: there is no delete
// expect: dynamic-memory @7
#include <metal_stdlib>
using namespace metal;

void drop(thread float* p) {
  delete p;
}
kernel void use(device float* x [[buffer(0)]]) {
  float v = x[0];
  drop(&v);
}
