// MSL 1.5.2 Templates: templates are specialised, for some or all of their arguments
#include <metal_stdlib>
using namespace metal;

template <typename T>
struct Accumulator { using type = T; };
template <>
struct Accumulator<half> { using type = float; };
kernel void sum(device const half* x [[buffer(0)]], device float* out [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  Accumulator<half>::type total = 0;
  for (uint k = 0; k < 8; k++) total += float(x[8 * i + k]);
  out[i] = total;
}
