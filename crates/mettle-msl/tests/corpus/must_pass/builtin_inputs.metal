// MSL 5.2.3.6 Kernel Function Input Attributes: a thread asks where it is
#include <metal_stdlib>
using namespace metal;

kernel void use(device uint* x [[buffer(0)]], uint3 grid [[thread_position_in_grid]], ushort2 place [[thread_position_in_threadgroup]],
                uint group [[threadgroup_position_in_grid]], uint2 size [[threads_per_threadgroup]],
                uint3 all [[threads_per_grid]], uint3 groups [[threadgroups_per_grid]], ushort lane [[thread_index_in_simdgroup]],
                ushort simd [[simdgroup_index_in_threadgroup]], uint width [[threads_per_simdgroup]],
                uint index [[thread_index_in_threadgroup]]) {
  x[index] = grid.x + place.y + group + size.x + all.z + groups.y + lane + simd + width;
}
