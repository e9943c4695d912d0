// MSL 4.2 Constant Address Space: a pointer into constant memory stays in constant memory
#include <metal_stdlib>
using namespace metal;

struct Shape { int sizes[4]; float scale; };
int product(constant int* sizes) { return sizes[0] * sizes[1]; }
kernel void use(device float* x [[buffer(0)]], constant Shape& shape [[buffer(1)]]) {
  constant int* sizes = shape.sizes;
  constant const float& scale = shape.scale;
  x[0] = product(sizes) * product(shape.sizes + 2) * scale;
}
