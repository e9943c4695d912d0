// MSL 4.2 Constant Address Space: a static member is in the constant address space
// expect: program-scope-variable @7
#include <metal_stdlib>
using namespace metal;

struct Tile {
  static constexpr int rows = 4;
};
kernel void use(device float* x [[buffer(0)]]) { x[0] = Tile::rows; }
