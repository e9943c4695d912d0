// MSL 4.1 Device Address Space: pointers to device memory move, compare and convert
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], device const char* raw [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  device float* p = x + i;
  device const float* end = x + 64;
  while (p < end) *p++ = 0;
  device const float* view = (device const float*)(raw + 16);
  const device float4* wide = reinterpret_cast<const device float4*>(view);
  x[i] = wide[i].x;
}
