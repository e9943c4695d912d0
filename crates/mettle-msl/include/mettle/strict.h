// What stands in front of a unit in strict mode: the library, read by a compiler that has address spaces (C++ for OpenCL).
//
// device and constant are two parts of OpenCL's global memory that do not convert to one another; both convert to the
// generic space, in which the library's own pointers and implicit copies work. Bodies are read, but nothing is compiled.
#pragma once

#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable
#pragma OPENCL EXTENSION __cl_clang_variadic_functions : enable

#define mettle_device __attribute__((opencl_global_device))
#define mettle_constant __attribute__((opencl_global_host))
#define METTLE_THREAD __private

// Words that OpenCL reserves and MSL does not: names in user code.
#define global mettle_name_global
#define local mettle_name_local
#define generic mettle_name_generic
#define kernel mettle_name_kernel
#define constant mettle_name_constant
#define pipe mettle_name_pipe
#define uniform mettle_name_uniform
#define read_only mettle_name_read_only
#define write_only mettle_name_write_only
#define read_write mettle_name_read_write
#define vec_step mettle_name_vec_step
#define event_t mettle_name_event_t
#define queue_t mettle_name_queue_t
#define sampler_t mettle_name_sampler_t
#define atomic_int mettle_name_atomic_int
#define atomic_uint mettle_name_atomic_uint
#define atomic_long mettle_name_atomic_long
#define atomic_ulong mettle_name_atomic_ulong
#define atomic_float mettle_name_atomic_float
#define atomic_double mettle_name_atomic_double
#define atomic_flag mettle_name_atomic_flag
// OpenCL's own half is another type than that of half literals.
#define half _Float16

#include "stdlib.h"

namespace mettle {

// What a variable in threadgroup memory is made to refer to.
struct Storage {
  template <class T>
  operator T&() const;
};
Storage storage();

}  // namespace mettle

// Atomics and the memory that SIMD-group matrices are loaded from are never the thread's own.
namespace metal {

template <class T>
T atomic_load_explicit(const volatile __private atomic<T>*, memory_order) = delete;
template <class T>
void atomic_store_explicit(volatile __private atomic<T>*, mettle::identity_t<T>, memory_order) = delete;
template <class T>
T atomic_exchange_explicit(volatile __private atomic<T>*, mettle::identity_t<T>, memory_order) = delete;

#define METTLE_NOT_OF_A_THREAD(operation)                                                                           \
  template <class T>                                                                                                \
  T atomic_fetch_##operation##_explicit(volatile __private atomic<T>*, mettle::identity_t<T>, memory_order) = delete;
METTLE_NOT_OF_A_THREAD(add)
METTLE_NOT_OF_A_THREAD(sub)
METTLE_NOT_OF_A_THREAD(min)
METTLE_NOT_OF_A_THREAD(max)
METTLE_NOT_OF_A_THREAD(and)
METTLE_NOT_OF_A_THREAD(or)
METTLE_NOT_OF_A_THREAD(xor)
#undef METTLE_NOT_OF_A_THREAD

template <class T, int Columns, int Rows>
void simdgroup_load(METTLE_THREAD simdgroup_matrix<T, Columns, Rows>&, const __private mettle::identity_t<T>*,
                    ulong = Columns, vec<ulong, 2> = 0, bool = false) = delete;
template <class T, int Columns, int Rows>
void simdgroup_store(const METTLE_THREAD simdgroup_matrix<T, Columns, Rows>&, __private mettle::identity_t<T>*,
                     ulong = Columns, vec<ulong, 2> = 0, bool = false) = delete;

}  // namespace metal

template <class T>
bool is_function_constant_defined(const T&);
