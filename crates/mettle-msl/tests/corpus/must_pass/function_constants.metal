// MSL 5.8.1 Specifying Program Scope Function Constants: function constants are given when the pipeline is made
#include <metal_stdlib>
using namespace metal;

constant bool wide [[function_constant(0)]];
constant int rows [[function_constant(65535)]];
constant float scale [[function_constant(2)]];
kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  for (int r = 0; r < rows; r++) x[i] += wide ? scale : 1;
}
