// MSL 6.8 Geometric Functions: of vectors of half and float
#include <metal_stdlib>
#include <metal_geometric>
using namespace metal;

template <typename T>
T all_of(vec<T, 3> a, vec<T, 3> b) {
  vec<T, 3> v = cross(a, b) + faceforward(a, b, a) + normalize(a) + reflect(a, b) + refract(a, b, T(0.5));
  return dot(v, a) + distance(a, b) + distance_squared(a, b) + length(a) + length_squared(b);
}
kernel void use(device float* x [[buffer(0)]], device const float3* v [[buffer(1)]]) {
  x[0] = all_of<float>(v[0], v[1]) + all_of<half>(half3(v[0]), half3(v[1])) + dot(v[0].xy, v[1].yz) + length(float4(1));
}
