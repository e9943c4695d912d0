// MSL 4 Address Spaces: a method says in which memory its object lies
#include <metal_stdlib>
using namespace metal;

struct Value {
  float v;
  float get() const { return v; }
  float get_device() const device { return v; }
  float get_constant() const constant { return v; }
  float get_shared() const threadgroup { return v; }
};
kernel void use(device Value* x [[buffer(0)]], constant Value& c [[buffer(1)]], threadgroup Value* t [[threadgroup(0)]]) {
  const Value own = x[0];
  x[1].v = own.get() + x[0].get_device() + c.get_constant() + t->get_shared();
}
