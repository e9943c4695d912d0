// MSL 2.2.2 Vector Constructors: from scalars and vectors that have the right number of components together
#include <metal_stdlib>
using namespace metal;

kernel void use(device float4* out [[buffer(0)]]) {
  float2 two = float2(1, 2);
  float3 three = float3(two, 3);
  out[0] = float4(0.5f);
  out[1] = float4(1, 2, 3, 4);
  out[2] = float4(two, two);
  out[3] = float4(0, two, 1);
  out[4] = float4(three, 1);
  out[5] = float4(1, three);
  int4 whole{1, 2, 3, 4};
  out[6] = float4(whole);
  half4 zero = {};
  out[7] = float4(zero);
}
