// MSL 2.12.1 Arrays of Textures, Texture Buffers, and Samplers: array<T, N> of plain values, its operator, size and constructors
#include <metal_stdlib>
#include <metal_array>
using namespace metal;

float total(thread const array<float, 3>& a) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); i++) sum += a[i];
  return sum;
}
kernel void use(device float* out [[buffer(0)]], constant array<float, 3>& given [[buffer(1)]]) {
  array<float, 3> a = {1, 2, 3};
  array<int, 2> b({1, 2});
  a[1] = given[2];
  out[0] = total(a) + b[0];
  static_assert(array<half, 4>::size() == 4 && sizeof(array<half, 4>) == 8, "as a C array");
}
