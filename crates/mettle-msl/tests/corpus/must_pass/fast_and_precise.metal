// MSL 6.5 Math Functions: metal::fast and metal::precise have the variants for float
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], device float3* v [[buffer(1)]]) {
  x[0] = fast::sin(x[1]) + fast::cos(x[1]) + fast::exp(x[1]) + fast::log2(x[1]) + fast::pow(x[1], x[2]) + fast::tanh(x[1]);
  x[3] = precise::sin(x[1]) + precise::exp2(x[1]) + precise::rsqrt(x[1]) + precise::divide(x[1], x[2]) + precise::fmin(x[1], 0.0f);
  x[4] = fast::length(v[0]) + precise::distance(v[0], v[1]) + fast::max(x[1], x[2]);
  v[2] = fast::normalize(v[0]) + precise::normalize(v[1]) + fast::saturate(v[0]);
}
