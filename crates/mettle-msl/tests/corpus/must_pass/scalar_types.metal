// MSL 2.1 Scalar Data Types: the scalar types and their sizes
#include <metal_stdlib>
using namespace metal;

static_assert(sizeof(bool) == 1 && sizeof(char) == 1 && sizeof(uchar) == 1, "");
static_assert(sizeof(short) == 2 && sizeof(ushort) == 2 && sizeof(half) == 2 && sizeof(bfloat) == 2, "");
static_assert(sizeof(int) == 4 && sizeof(uint) == 4 && sizeof(float) == 4, "");
static_assert(sizeof(long) == 8 && sizeof(ulong) == 8 && sizeof(size_t) == 8 && sizeof(ptrdiff_t) == 8, "");
kernel void use(device uint* x [[buffer(0)]]) {
  const int64_t wide = 1L << 40;
  const uint8_t small = 255u;
  x[0] = uint(wide >> 40) + small;
}
