// The scalar types of MSL under their MSL names.
//
// `char`, `short`, `int`, `long`, `float` and `bool` are C++'s own: kernels are compiled for LP64 targets with signed
// `char` (-fsigned-char), where their sizes are MSL's.
#pragma once

// Compiled to PTX, for NVIDIA GPUs, instead of to a CPU's code. What differs is in ptx/ and behind this macro.
#ifdef __NVPTX__
#define METTLE_PTX 1
#endif

// What the rewritten source declares variables as: those in a kernel's threadgroup memory, and function constants that
// the loader sets. A CPU runs a threadgroup on one thread of the host at a time, so memory of the group is the thread's.
#ifdef METTLE_PTX
#define METTLE_THREADGROUP __attribute__((shared))
#define METTLE_LOADED __attribute__((device))
#else
#define METTLE_THREADGROUP thread_local
#define METTLE_LOADED
#endif

namespace mettle {

// Whether the lanes of a SIMD group run together, as on a GPU, and not one after the other.
#ifdef METTLE_PTX
inline constexpr bool lanes_run_together = true;
#else
inline constexpr bool lanes_run_together = false;
#endif

}  // namespace mettle

// Every function of the library is inlined: vector loops and per-lane code depend on it.
#define METTLE_INLINE inline __attribute__((always_inline))

// Where a pointer or reference of the library leads to memory of the thread only. Strict mode gives it its meaning.
#ifndef METTLE_THREAD
#define METTLE_THREAD
#endif

// A parameter of any type that is only read. Strict mode takes it by value: a reference would make its address space
// a part of the type that a template deduces.
#ifdef __METTLE_STRICT__
#define METTLE_VALUE(A) A
#else
#define METTLE_VALUE(A) const A&
#endif

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;

typedef unsigned long size_t;
typedef long ptrdiff_t;
typedef unsigned long uintptr_t;
typedef long intptr_t;

// Each operation on `half` rounds to half (-ffloat16-excess-precision=none). In strict mode it is a macro (strict.h).
#ifndef __METTLE_STRICT__
typedef _Float16 half;
#endif

static_assert(sizeof(long) == 8 && sizeof(int) == 4 && sizeof(short) == 2, "MSL integers need an LP64 target");
static_assert(char(-1) < 0, "MSL's char is signed: compile with -fsigned-char");

namespace metal {
#ifndef __METTLE_STRICT__
using ::half;
#endif
using ::uchar;
using ::uint;
using ::ulong;
using ::ushort;

using ::int16_t;
using ::int32_t;
using ::int64_t;
using ::int8_t;
using ::uint16_t;
using ::uint32_t;
using ::uint64_t;
using ::uint8_t;

using ::intptr_t;
using ::ptrdiff_t;
using ::size_t;
using ::uintptr_t;
}  // namespace metal
