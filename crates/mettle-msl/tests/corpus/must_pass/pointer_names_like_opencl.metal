// MSL 4 Address Spaces: words that other languages reserve are names
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* global [[buffer(0)]], uint local [[thread_position_in_grid]]) {
  float generic = global[local];
  int pipe = 1, uniform_value = 2, read_only = 3;
  global[local] = generic + pipe + uniform_value + read_only;
}
