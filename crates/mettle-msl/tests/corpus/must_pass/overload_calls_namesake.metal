// MSL 1.5.4 Restrictions: a function that calls another of its name is not recursive
#include <metal_stdlib>
using namespace metal;

float norm(float x) { return x * x; }
float norm(float2 v) { return norm(v.x) + norm(v.y); }
float norm(float4 v) { return norm(v.xy) + norm(v.zw); }
template <int N>
float chain(float x) { return chain<N - 1>(x) * x; }
template <>
float chain<0>(float) { return 1; }
kernel void use(device float4* x [[buffer(0)]]) { x[0] = norm(x[1]) + chain<4>(x[0].x); }
