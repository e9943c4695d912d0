// MSL 2.20 Type Conversions and Reinterpreting Data: static_cast converts values, as_type keeps bits
#include <metal_stdlib>
using namespace metal;

kernel void use(device uint* out [[buffer(0)]], device const float4* x [[buffer(1)]]) {
  out[0] = as_type<uint>(x[0].x);
  out[1] = as_type<uint>(half2(1, 2)) + as_type<uint>(uchar4(1, 2, 3, 4));
  out[2] = static_cast<uint>(x[0].y) + uint(int4(x[0]).z);
  int4 bits = as_type<int4>(x[0]);
  float3 shorter = as_type<float3>(x[0]);
  out[3] = bits.x + uint(shorter.z) + as_type<ushort>(1.0bf) + as_type<ushort>(1.0h);
  bool4 set = static_cast<bool4>(x[0]);
  out[4] = int4(set).x;
  ulong wide = as_type<ulong>(float2(x[0].xy));
  out[5] = uint(wide >> 32);
}
