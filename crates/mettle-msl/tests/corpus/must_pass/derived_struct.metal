// MSL 2.12 Aggregate Types: structs inherit members
#include <metal_stdlib>
using namespace metal;

struct Base {
  float scale;
  float apply(float x) const { return scale * x; }
};
struct Derived : Base {
  float offset;
};
kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  Derived d;
  d.scale = 2;
  d.offset = 1;
  x[i] = d.apply(x[i]) + d.offset;
}
