// MSL 5.8.1.2 Function Constants when Declaring the Arguments of Functions: an argument is there only when a function constant says so
#include <metal_stdlib>
using namespace metal;

constant bool has_bias [[function_constant(0)]];
kernel void use(device float* x [[buffer(0)]], device const float* bias [[buffer(1), function_constant(has_bias)]],
                uint i [[thread_position_in_grid]]) {
  if (has_bias) x[i] += bias[i];
}
