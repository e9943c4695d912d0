// MSL 2.2 Vector Data Types: vectors of every scalar type have two to four components, by name and through vec<T, n>
#include <metal_stdlib>
using namespace metal;

template <typename T>
T sum(vec<T, 2> a, vec<T, 3> b, vec<T, 4> c) {
  return T(a.x + b.z + c.w);
}
kernel void use(device float* out [[buffer(0)]]) {
  out[0] = sum<char>(char2(1), char3(2), char4(3)) + sum<uchar>(uchar2(1), uchar3(2), uchar4(3));
  out[1] = sum<short>(short2(1), short3(2), short4(3)) + sum<ushort>(ushort2(1), ushort3(2), ushort4(3));
  out[2] = sum<int>(int2(1), int3(2), int4(3)) + sum<uint>(uint2(1), uint3(2), uint4(3));
  out[3] = sum<long>(long2(1), long3(2), long4(3)) + sum<ulong>(ulong2(1), ulong3(2), ulong4(3));
  out[4] = sum<half>(half2(1), half3(2), half4(3)) + sum<float>(float2(1), float3(2), float4(3));
  out[5] = float(sum<bfloat>(bfloat2(1.0bf), bfloat3(2.0bf), bfloat4(3.0bf)));
  out[6] = all(bool2(true)) + any(bool3(false)) + all(bool4(true, false, true, true));
}
