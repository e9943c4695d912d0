// Atomic types and operations. On the CPU device threadgroups run on several host threads, so these are the processor's
// own atomics; every order stronger than relaxed is sequentially consistent.
#pragma once

#include "threadgroup.h"

namespace metal {

enum memory_order { memory_order_relaxed, memory_order_acquire, memory_order_release, memory_order_acq_rel, memory_order_seq_cst };

enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device, thread_scope_system };

template <class T>
struct atomic {
  static_assert(is_same_v<T, int> || is_same_v<T, uint> || is_same_v<T, ulong> || is_same_v<T, float> || is_same_v<T, bool>,
                "Metal has atomics of int, uint, ulong, float and bool");
  T value;
};

using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_ulong = atomic<ulong>;
using atomic_float = atomic<float>;
using atomic_bool = atomic<bool>;

}  // namespace metal

namespace mettle {

template <class T>
METTLE_INLINE volatile bits_of<T>* atomic_bits(volatile metal::atomic<T>* object) {
  return reinterpret_cast<volatile bits_of<T>*>(&object->value);
}
template <class T>
METTLE_INLINE const volatile bits_of<T>* atomic_bits(const volatile metal::atomic<T>* object) {
  return reinterpret_cast<const volatile bits_of<T>*>(&object->value);
}

METTLE_INLINE constexpr int host_order(metal::memory_order order) {
  return order == metal::memory_order_relaxed ? __ATOMIC_RELAXED : __ATOMIC_SEQ_CST;
}

// Replaces the value by `Scalar::apply(value, operand)` and returns what it was.
template <class Scalar, class T>
METTLE_INLINE T fetch(volatile metal::atomic<T>* object, T operand, metal::memory_order order) {
  volatile bits_of<T>* bits = atomic_bits(object);
  bits_of<T> before = __atomic_load_n(bits, __ATOMIC_RELAXED);
  for (;;) {
    const T after = Scalar::apply(__builtin_bit_cast(T, before), operand);
    if (__atomic_compare_exchange_n(bits, &before, __builtin_bit_cast(bits_of<T>, after), true, host_order(order), __ATOMIC_RELAXED)) {
      return __builtin_bit_cast(T, before);
    }
  }
}

struct Difference {
  template <class T>
  METTLE_INLINE static T apply(T a, T b) {
    return T(a - b);
  }
};

}  // namespace mettle

namespace metal {

template <class T>
METTLE_INLINE T atomic_load_explicit(const volatile atomic<T>* object, memory_order order) {
  return __builtin_bit_cast(T, __atomic_load_n(mettle::atomic_bits(object), mettle::host_order(order)));
}

template <class T>
METTLE_INLINE void atomic_store_explicit(volatile atomic<T>* object, mettle::identity_t<T> desired, memory_order order) {
  __atomic_store_n(mettle::atomic_bits(object), __builtin_bit_cast(mettle::bits_of<T>, desired), mettle::host_order(order));
}

template <class T>
METTLE_INLINE T atomic_exchange_explicit(volatile atomic<T>* object, mettle::identity_t<T> desired, memory_order order) {
  return __builtin_bit_cast(T, __atomic_exchange_n(mettle::atomic_bits(object), __builtin_bit_cast(mettle::bits_of<T>, desired),
                                                   mettle::host_order(order)));
}

// Compares bits. Where they differ, `expected` takes the value found. It may fail although they are equal.
template <class T>
METTLE_INLINE bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* object, T* expected, mettle::identity_t<T> desired,
                                                         memory_order success, memory_order failure) {
  auto bits = __builtin_bit_cast(mettle::bits_of<T>, *expected);
  const bool exchanged =
      __atomic_compare_exchange_n(mettle::atomic_bits(object), &bits, __builtin_bit_cast(mettle::bits_of<T>, desired), true,
                                  mettle::host_order(success), mettle::host_order(failure));
  *expected = __builtin_bit_cast(T, bits);
  return exchanged;
}

// Read-modify-write operations: each returns the value before it.
#define METTLE_ATOMIC_FETCH(name, scalar, allowed)                                                                    \
  template <class T>                                                                                                  \
  METTLE_INLINE T atomic_fetch_##name##_explicit(volatile atomic<T>* object, mettle::identity_t<T> operand,           \
                                                 memory_order order) {                                                \
    static_assert(allowed, "Metal has no atomic_fetch_" #name "_explicit for this type");                            \
    return mettle::fetch<mettle::scalar>(object, operand, order);                                                     \
  }

METTLE_ATOMIC_FETCH(add, Sum, (!is_same_v<T, bool>))
METTLE_ATOMIC_FETCH(sub, Difference, (!is_same_v<T, bool>))
METTLE_ATOMIC_FETCH(min, Minimum, (is_integral_v<T> && !is_same_v<T, bool>))
METTLE_ATOMIC_FETCH(max, Maximum, (is_integral_v<T> && !is_same_v<T, bool>))
METTLE_ATOMIC_FETCH(and, BitAnd, is_integral_v<T>)
METTLE_ATOMIC_FETCH(or, BitOr, is_integral_v<T>)
METTLE_ATOMIC_FETCH(xor, BitXor, is_integral_v<T>)

#undef METTLE_ATOMIC_FETCH

// 64-bit minimum and maximum, which return nothing in MSL.
METTLE_INLINE void atomic_min_explicit(volatile atomic_ulong* object, ulong operand, memory_order order) {
  mettle::fetch<mettle::Minimum>(object, operand, order);
}
METTLE_INLINE void atomic_max_explicit(volatile atomic_ulong* object, ulong operand, memory_order order) {
  mettle::fetch<mettle::Maximum>(object, operand, order);
}

METTLE_INLINE void atomic_thread_fence(mem_flags, memory_order order, thread_scope = thread_scope_device) {
  if (order != memory_order_relaxed) __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

}  // namespace metal
