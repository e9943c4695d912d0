// MSL 1.5.2 Templates: what is wrong in an instance of a template is said in the template
// expect: address-space @10
#include <metal_stdlib>
using namespace metal;

template <typename T>
struct Tile {
  threadgroup T* data;
  void point(device T* other) {
    data = other;
  }
};
kernel void use(device half* x [[buffer(0)]], threadgroup half* t [[threadgroup(0)]]) {
  Tile<half> tile;
  tile.data = t;
  tile.point(x);
}
