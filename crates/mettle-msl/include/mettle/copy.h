// Copies from device to threadgroup memory that go on while threads compute, where the processor has such copies; elsewhere
// kernels bring a type of their own, with functions of the same names.
#pragma once

#include "types.h"

namespace mettle {

#ifdef METTLE_PTX

// Starts a copy of a value of 4, 8 or 16 bytes between addresses that are multiples of its size; of zeros unless it is `there`.
template <class T>
METTLE_INLINE void start_copy(T* to, const T* from, bool there = true) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "copies are of 4, 8 or 16 bytes");
  const auto shared = uint(ulong((__attribute__((address_space(3))) T*)to));
  const auto global = (__attribute__((address_space(1))) const T*)from;
  const uint read = there ? sizeof(T) : 0;
  if constexpr (sizeof(T) == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(read) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(shared), "l"(global), "r"(read), "n"(int(sizeof(T))) : "memory");
  }
}

// A copy of a value of 4, 8 or 16 bytes to and from an address that is a multiple of its size.
template <class T>
struct AsynchronousCopy {};

template <class T>
METTLE_INLINE void start(AsynchronousCopy<T>&, T* to, const T* from) {
  start_copy(to, from);
}

// As a copy of `value`.
template <class T>
METTLE_INLINE void start_with(AsynchronousCopy<T>&, T* to, const T& value) {
  *to = value;
}

template <class T>
METTLE_INLINE void finish(const AsynchronousCopy<T>&, T*) {}

METTLE_INLINE void finish_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// What the thread started since the last call, if anything, is a group from now on.
METTLE_INLINE void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for the thread's groups of copies but the LATER last ones.
template <uint LATER>
METTLE_INLINE void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(int(LATER)) : "memory");
}

template <class T, class Other>
using copy_or = AsynchronousCopy<T>;

#else

METTLE_INLINE void finish_copies() {}

template <class T>
METTLE_INLINE void start_copy(T* to, const T* from, bool there = true) {
  *to = there ? *from : T(0);
}

METTLE_INLINE void close_copies() {}

template <uint LATER>
METTLE_INLINE void wait_for_copies() {}

template <class T, class Other>
using copy_or = Other;

#endif  // METTLE_PTX

}  // namespace mettle
