// The names of the vector, packed vector and matrix types: float4, packed_float3, float4x4...
#pragma once

#include "matrix.h"
#include "packed.h"

#define METTLE_VECTOR_NAMES(T)           \
  using T##2 = metal::vec<T, 2>;         \
  using T##3 = metal::vec<T, 3>;         \
  using T##4 = metal::vec<T, 4>;         \
  namespace metal {                      \
  using ::T##2;                          \
  using ::T##3;                          \
  using ::T##4;                          \
  }

#define METTLE_PACKED_NAMES(T)                     \
  using packed_##T##2 = metal::packed_vec<T, 2>;   \
  using packed_##T##3 = metal::packed_vec<T, 3>;   \
  using packed_##T##4 = metal::packed_vec<T, 4>;   \
  namespace metal {                                \
  using ::packed_##T##2;                           \
  using ::packed_##T##3;                           \
  using ::packed_##T##4;                           \
  }

// Written out, so that T is pasted as it stands: in strict mode half is a macro.
#define METTLE_MATRIX_NAMES(T)           \
  using T##2x2 = metal::matrix<T, 2, 2>; \
  using T##2x3 = metal::matrix<T, 2, 3>; \
  using T##2x4 = metal::matrix<T, 2, 4>; \
  using T##3x2 = metal::matrix<T, 3, 2>; \
  using T##3x3 = metal::matrix<T, 3, 3>; \
  using T##3x4 = metal::matrix<T, 3, 4>; \
  using T##4x2 = metal::matrix<T, 4, 2>; \
  using T##4x3 = metal::matrix<T, 4, 3>; \
  using T##4x4 = metal::matrix<T, 4, 4>; \
  namespace metal {                      \
  using ::T##2x2;                        \
  using ::T##2x3;                        \
  using ::T##2x4;                        \
  using ::T##3x2;                        \
  using ::T##3x3;                        \
  using ::T##3x4;                        \
  using ::T##4x2;                        \
  using ::T##4x3;                        \
  using ::T##4x4;                        \
  }

METTLE_VECTOR_NAMES(bool)
METTLE_VECTOR_NAMES(char)
METTLE_VECTOR_NAMES(uchar)
METTLE_VECTOR_NAMES(short)
METTLE_VECTOR_NAMES(ushort)
METTLE_VECTOR_NAMES(int)
METTLE_VECTOR_NAMES(uint)
METTLE_VECTOR_NAMES(long)
METTLE_VECTOR_NAMES(ulong)
METTLE_VECTOR_NAMES(half)
METTLE_VECTOR_NAMES(bfloat)
METTLE_VECTOR_NAMES(float)

METTLE_PACKED_NAMES(char)
METTLE_PACKED_NAMES(uchar)
METTLE_PACKED_NAMES(short)
METTLE_PACKED_NAMES(ushort)
METTLE_PACKED_NAMES(int)
METTLE_PACKED_NAMES(uint)
METTLE_PACKED_NAMES(long)
METTLE_PACKED_NAMES(ulong)
METTLE_PACKED_NAMES(half)
METTLE_PACKED_NAMES(bfloat)
METTLE_PACKED_NAMES(float)

METTLE_MATRIX_NAMES(half)
METTLE_MATRIX_NAMES(float)

#undef METTLE_VECTOR_NAMES
#undef METTLE_PACKED_NAMES
#undef METTLE_MATRIX_NAMES
