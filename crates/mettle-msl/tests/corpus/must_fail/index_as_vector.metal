// MSL 5.2.3.6 Kernel Function Input Attributes: an index in a SIMD-group is a scalar
// expect: must be of type uint or ushort @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]],
                uint2 lane [[thread_index_in_simdgroup]]) {
  x[lane.x] = 1;
}
