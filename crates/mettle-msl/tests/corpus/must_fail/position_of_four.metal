// MSL 5.2.3.6 Kernel Function Input Attributes: positions have up to three dimensions
// expect: must be of type uint or ushort @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]],
                uint4 i [[thread_position_in_grid]]) {
  x[i.x] = 1;
}
