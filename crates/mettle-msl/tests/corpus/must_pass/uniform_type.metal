// MSL 2.14 Uniform Type: a uniform<T> computes as a T and indexes arrays
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], constant uniform<int>& n [[buffer(1)]], constant uint& m [[buffer(2)]]) {
  uniform<int> twice = n * 2;
  uniform<uint> copy = make_uniform(m);
  float values[4] = {1, 2, 3, 4};
  for (uniform<int> i = 0; i < twice; i++) x[i] = values[copy % 4] + n;
}
