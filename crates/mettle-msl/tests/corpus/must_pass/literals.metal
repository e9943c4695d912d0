// MSL 2.1 Scalar Data Types: literals of half have the suffix h, and those without one are floats
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], device half* y [[buffer(1)]]) {
  x[0] = 1.5 + 0.25f;
  y[0] = 0.5h * 2.0H;
  x[1] = 1e-5;
}
