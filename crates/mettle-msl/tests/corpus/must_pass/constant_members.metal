// MSL 4.2 Constant Address Space: static members are constants
#include <metal_stdlib>
using namespace metal;

struct Tile {
  static constant constexpr const int rows = 8;
  static constexpr constant int columns = 4;
};
kernel void use(device float* x [[buffer(0)]]) {
  float tile[Tile::rows * Tile::columns];
  for (int i = 0; i < Tile::rows * Tile::columns; i++) tile[i] = x[i];
  x[0] = tile[Tile::rows];
}
