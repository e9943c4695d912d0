// MSL 4.2 Constant Address Space: variables outside functions are in the constant address space and have an initialiser
#include <metal_stdlib>
using namespace metal;

constant float table[4] = {1, 2, 4, 8};
constant int2 offsets[] = {int2(0, 1), int2(1, 0)};
constexpr constant float scale = 0.5f;
static constant uint mask = 3;
float look(constant const float* t, uint i) { return t[i & mask]; }
kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  x[i] = table[i & mask] * scale + look(table, i) + offsets[i & 1].x;
}
