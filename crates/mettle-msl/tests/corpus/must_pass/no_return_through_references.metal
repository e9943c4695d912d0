// MSL 4 Address Spaces: functions return pointers with their address space
#include <metal_stdlib>
using namespace metal;

device float* row(device float* x, uint i, uint n) { return x + i * n; }
threadgroup float& slot(threadgroup float* t, uint i) { return t[i]; }
kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]], uint i [[thread_position_in_grid]]) {
  slot(t, i) = row(x, i, 4)[1];
  row(x, i, 4)[0] = slot(t, i);
}
