// MSL 1.6.3 Math Intrinsics Compiler Options: math modes and loops are told by pragmas
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]]) {
#pragma METAL fp math_mode(relaxed)
#pragma METAL fp contract(off)
  float total = 0;
#pragma unroll(4)
  for (int i = 0; i < 16; i++) total += x[i];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) total *= x[i];
  x[0] = total;
}
