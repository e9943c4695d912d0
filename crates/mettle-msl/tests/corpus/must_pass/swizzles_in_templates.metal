// MSL 2.2.1 Accessing Vector Components: components are operands in templates, too
#include <metal_stdlib>
using namespace metal;

template <typename T>
vec<T, 3> products(vec<T, 3> x, vec<T, 3> y) {
  return x.yzx * y.zxy - x.zxy * y.yzx;
}

template <typename V>
V bits(V x, V y) {
  return (x.yzx | y.zxy) & (x.zxy ^ y.yzx);
}

kernel void use(device float3* x [[buffer(0)]], device int3* y [[buffer(1)]]) {
  x[0] = products<float>(x[0], x[1]);
  y[0] = bits(y[0], y[1]);
  threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
  x[1] = float3x3(1.0f) * float3x3(2.0f) * x[0];
}
