// Copies from device to threadgroup memory that go on while threads compute, where the processor has such copies; elsewhere
// kernels bring a type of their own, with functions of the same names.
#pragma once

#include "types.h"

namespace mettle {

#ifdef METTLE_PTX

// A copy of a value of 4 or 16 bytes to and from an address that is a multiple of its size.
template <class T>
struct AsynchronousCopy {};

template <class T>
METTLE_INLINE void start(AsynchronousCopy<T>&, T* to, const T* from) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 16, "copies are of 4 or 16 bytes");
  const auto shared = uint(ulong((__attribute__((address_space(3))) T*)to));
  const auto global = (__attribute__((address_space(1))) const T*)from;
  if constexpr (sizeof(T) == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared), "l"(global) : "memory");
  }
}

// As a copy of `value`.
template <class T>
METTLE_INLINE void start_with(AsynchronousCopy<T>&, T* to, const T& value) {
  *to = value;
}

template <class T>
METTLE_INLINE void finish(const AsynchronousCopy<T>&, T*) {}

METTLE_INLINE void finish_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

template <class T, class Other>
using copy_or = AsynchronousCopy<T>;

#else

METTLE_INLINE void finish_copies() {}

template <class T, class Other>
using copy_or = Other;

#endif  // METTLE_PTX

}  // namespace mettle
