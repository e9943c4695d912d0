// MSL 1.5.4 Restrictions: lambda expressions are supported from Metal 3.2 on
#include <metal_stdlib>
using namespace metal;

kernel void apply(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  const float factor = 2;
  auto scaled = [=](float v) { return v * factor; };
  x[i] = scaled(x[i]);
}
