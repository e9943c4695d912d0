// MSL 4.4 Threadgroup Address Space: a kernel has at most 32 KB of threadgroup memory
// expect: threadgroup-memory @8
#include <metal_stdlib>
using namespace metal;

template <typename T, int N>
kernel void use(device T* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup T shared[N][N];
  shared[0][i] = x[i];
  x[i] = shared[0][0];
}
template [[host_name("small")]] kernel void use<half, 128>(device half*, uint);
template [[host_name("large")]] kernel void use<float, 128>(device float*, uint);
