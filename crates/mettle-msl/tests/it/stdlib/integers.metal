// One kernel for each integer function and type: r[i] = name(x[i], y[i], z[i]).
#include <metal_stdlib>
using namespace metal;

#define KERNEL(name, suffix, T, R, ...)                                                                        \
  kernel void name##_##suffix(device const T* x [[buffer(0)]], device const T* y [[buffer(1)]],                \
                              device const T* z [[buffer(2)]], device R* r [[buffer(3)]],                      \
                              uint i [[thread_position_in_grid]]) {                                            \
    r[i] = name(__VA_ARGS__);                                                                                  \
  }
#define ONE(name, suffix, T) KERNEL(name, suffix, T, T, x[i])
#define TWO(name, suffix, T) KERNEL(name, suffix, T, T, x[i], y[i])
#define THREE(name, suffix, T) KERNEL(name, suffix, T, T, x[i], y[i], z[i])

#define FUNCTIONS(suffix, T)   \
  ONE(abs, suffix, T)          \
  ONE(clz, suffix, T)          \
  ONE(ctz, suffix, T)          \
  ONE(popcount, suffix, T)     \
  ONE(reverse_bits, suffix, T) \
  TWO(min, suffix, T)          \
  TWO(max, suffix, T)          \
  TWO(addsat, suffix, T)       \
  TWO(subsat, suffix, T)       \
  TWO(hadd, suffix, T)         \
  TWO(rhadd, suffix, T)        \
  TWO(mulhi, suffix, T)        \
  TWO(rotate, suffix, T)       \
  THREE(min3, suffix, T)       \
  THREE(max3, suffix, T)       \
  THREE(median3, suffix, T)    \
  THREE(clamp, suffix, T)      \
  THREE(madhi, suffix, T)      \
  THREE(madsat, suffix, T)

#define DIFFERENCE(suffix, T, U) KERNEL(absdiff, suffix, T, U, x[i], y[i])

FUNCTIONS(i8, char)
FUNCTIONS(u8, uchar)
FUNCTIONS(i16, short)
FUNCTIONS(u16, ushort)
FUNCTIONS(i32, int)
FUNCTIONS(u32, uint)
FUNCTIONS(i64, long)
FUNCTIONS(u64, ulong)
DIFFERENCE(i8, char, uchar)
DIFFERENCE(u8, uchar, uchar)
DIFFERENCE(i16, short, ushort)
DIFFERENCE(u16, ushort, ushort)
DIFFERENCE(i32, int, uint)
DIFFERENCE(u32, uint, uint)
DIFFERENCE(i64, long, ulong)
DIFFERENCE(u64, ulong, ulong)

// Vectors, of which the caller sees the components.
FUNCTIONS(i8x4, char4)
FUNCTIONS(u16x2, ushort2)
FUNCTIONS(i32x4, int4)
FUNCTIONS(u32x3, packed_uint3)
FUNCTIONS(i64x2, long2)

TWO(mul24, i32, int)
TWO(mul24, u32, uint)
THREE(mad24, i32, int)
THREE(mad24, u32, uint)

// Fields: y and z give offset and count, made to lie within x.
#define FIELDS(suffix, T)                                                                                      \
  kernel void extract_bits_##suffix(device const T* x [[buffer(0)]], device const uint2* field [[buffer(1)]],  \
                                    device T* r [[buffer(2)]], uint i [[thread_position_in_grid]]) {           \
    r[i] = extract_bits(x[i], field[i].x, field[i].y);                                                         \
  }                                                                                                            \
  kernel void insert_bits_##suffix(device const T* x [[buffer(0)]], device const uint2* field [[buffer(1)]],   \
                                   device T* r [[buffer(2)]], uint i [[thread_position_in_grid]]) {            \
    r[i] = insert_bits(r[i], x[i], field[i].x, field[i].y);                                                    \
  }
FIELDS(i8, char)
FIELDS(u16, ushort)
FIELDS(i32, int)
FIELDS(u32, uint)
FIELDS(u64, ulong)
