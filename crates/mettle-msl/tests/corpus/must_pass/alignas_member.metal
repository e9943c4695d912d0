// MSL 2.5 Alignment of Data Types: alignas raises the alignment of a type or a member
#include <metal_stdlib>
using namespace metal;

struct alignas(16) Block {
  float a;
  alignas(8) float b;
};
static_assert(sizeof(Block) == 16 && alignof(Block) == 16, "");
kernel void use(device Block* x [[buffer(0)]]) { x[0].a = x[0].b; }
