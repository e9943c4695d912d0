// MSL 2.5 Alignment of Data Types: a type is aligned as its size, a vector of three as one of four; alignas says more
#include <metal_stdlib>
using namespace metal;

static_assert(alignof(char) == 1 && alignof(half) == 2 && alignof(bfloat) == 2 && alignof(long) == 8, "scalars");
static_assert(sizeof(float3) == 16 && alignof(float3) == 16 && alignof(half3) == 8 && sizeof(char3) == 4, "vectors");
static_assert(alignof(float4x4) == 16 && alignof(half2x2) == 4 && alignof(float3x2) == 8, "matrices");
struct Line {
  alignas(16) float4x4 m;
  alignas(8) float x;
};
static_assert(alignof(Line) == 16 && sizeof(Line) == 80, "structs");
kernel void use(device Line* x [[buffer(0)]]) { x[0].x = 1; }
