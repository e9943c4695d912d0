// MSL 4.4 Threadgroup Address Space: the size of threadgroup memory depends on template arguments
#include <metal_stdlib>
using namespace metal;

template <typename T, short N>
kernel void sum(device T* x [[buffer(0)]], ushort i [[thread_index_in_threadgroup]]) {
  constexpr short padding = 16 / sizeof(T);
  threadgroup T rows[N * (N + padding)];
  rows[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = rows[0];
}
template [[host_name("sum_half")]] kernel void sum<half, 32>(device half*, ushort);
template [[host_name("sum_float")]] kernel void sum<float, 64>(device float*, ushort);
