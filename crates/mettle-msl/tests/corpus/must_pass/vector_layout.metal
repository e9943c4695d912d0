// MSL 2.5 Alignment of Data Types: a vector of three takes the room of four, a packed one that of three
#include <metal_stdlib>
using namespace metal;

static_assert(sizeof(float3) == 16 && alignof(float3) == 16, "");
static_assert(sizeof(packed_float3) == 12 && alignof(packed_float3) == 4, "");
static_assert(sizeof(half4) == 8 && alignof(half2) == 4, "");
struct Mixed {
  float3 a;
  packed_float3 b;
  float c;
};
static_assert(sizeof(Mixed) == 32, "");
kernel void use(device Mixed* x [[buffer(0)]]) { x[0].a = float3(x[0].b) + x[0].c; }
