// MSL 2.2.2 Vector Constructors: a vector is made of scalars and vectors
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* x [[buffer(0)]], device const float* y [[buffer(1)]]) {
  const float2 a = float2(y[0], y[1]);
  x[0] = float4(a, a);
  x[1] = float4(1, a, y[2]);
  x[2] = float4{y[0], y[1], y[2], y[3]};
  x[3] = vec<float, 4>(float3(2), 1);
}
