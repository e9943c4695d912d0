// MSL 1.5.3 Preprocessing Directives: macros, conditions and pragmas work as in C++
#include <metal_stdlib>
using namespace metal;

#define COUNT 4
#define AT(array, i) (array[(i) % COUNT])
#if defined(__METAL_VERSION__) && __METAL_VERSION__ >= 320
#define ENOUGH 1
#endif
kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
#ifdef ENOUGH
#pragma unroll
  for (uint k = 0; k < COUNT; k++) AT(x, i + k) += 1;
#endif
}
