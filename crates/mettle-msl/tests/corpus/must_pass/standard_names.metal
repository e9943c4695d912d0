// MSL 6.1 Namespace and Header Files: the library is in namespace metal
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  metal::vec<float, 2> v = metal::float2(x[i], 1);
  x[i] = metal::max(v.x, v.y) + metal::precise::exp(v.x) + fast::sin(v.y);
}
