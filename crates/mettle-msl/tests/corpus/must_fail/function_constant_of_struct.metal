// MSL 5.8.1 Specifying Program Scope Function Constants: function constants are scalars
// expect: must be a scalar @7
#include <metal_stdlib>
using namespace metal;

struct Shape { int rows; };
constant Shape shape [[function_constant(0)]];
kernel void use(device int* x [[buffer(0)]]) { x[0] = shape.rows; }
