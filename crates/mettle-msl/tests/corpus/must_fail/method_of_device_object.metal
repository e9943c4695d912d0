// MSL 4 Address Spaces: a method without an address space is for objects in thread memory
// expect: address-space @11
#include <metal_stdlib>
using namespace metal;

struct Value {
  float v;
  float get() const { return v; }
};
kernel void use(device Value* x [[buffer(0)]]) {
  x[0].v = x[1].get();
}
