// MSL 5.8.1 Specifying Program Scope Function Constants: constants are computed from function constants
#include <metal_stdlib>
using namespace metal;

constant int given [[function_constant(0)]];
constant bool is_given = is_function_constant_defined(given);
constant int rows = is_given ? given : 4;
kernel void use(device float* x [[buffer(0)]]) {
  if (is_function_constant_defined(given)) x[0] = rows;
}
