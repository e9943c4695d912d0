// Atomic types and operations. On the CPU device threadgroups run on several host threads, so these are the processor's
// own atomics. As in Metal all are relaxed; fences order them.
#pragma once

#include "operations.h"
#include "threadgroup.h"

namespace metal {

enum memory_order {
  memory_order_relaxed,
  memory_order_seq_cst,
};

enum thread_scope {
  thread_scope_thread,
  thread_scope_simdgroup,
  thread_scope_threadgroup,
  thread_scope_device,
};

template <class T>
struct atomic {
  static_assert(is_same_v<T, int> || is_same_v<T, uint> || is_same_v<T, ulong> || is_same_v<T, float> ||
                    is_same_v<T, bool>,
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

// The value as the integer of its size, which the processor's atomics work on.
template <class T>
METTLE_INLINE volatile bits_of<T>* atomic_bits(volatile metal::atomic<T>* object) {
  return reinterpret_cast<volatile bits_of<T>*>(&object->value);
}
template <class T>
METTLE_INLINE const volatile bits_of<T>* atomic_bits(const volatile metal::atomic<T>* object) {
  return reinterpret_cast<const volatile bits_of<T>*>(&object->value);
}

// Replaces the value v by Operation(v, operand) and returns v.
template <class Operation, class T>
METTLE_INLINE T fetch(volatile metal::atomic<T>* object, T operand) {
#ifdef METTLE_PTX
  if constexpr (metal::is_same_v<T, float>) {
    // Both are one instruction.
    const auto place = const_cast<float*>(&object->value);
    if constexpr (metal::is_same_v<Operation, Sum>) return __nvvm_atom_add_gen_f(place, operand);
    if constexpr (metal::is_same_v<Operation, Difference>) return __nvvm_atom_add_gen_f(place, -operand);
  }
#endif
  using Bits = bits_of<T>;
  Bits before = __atomic_load_n(atomic_bits(object), __ATOMIC_RELAXED);
  for (;;) {
    const T after = Operation::apply(__builtin_bit_cast(T, before), operand);
    if (__atomic_compare_exchange_n(atomic_bits(object), &before, __builtin_bit_cast(Bits, after), true,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      return __builtin_bit_cast(T, before);
    }
  }
}

}  // namespace mettle

// An order other than memory_order_relaxed is an error where it is known.
#define METTLE_RELAXED(order)                                             \
  __attribute__((diagnose_if(order != metal::memory_order_relaxed,        \
                             "atomic operations are memory_order_relaxed; atomic_thread_fence takes other orders", "error")))

namespace metal {

template <class T>
METTLE_INLINE T atomic_load_explicit(const volatile atomic<T>* object, memory_order order) METTLE_RELAXED(order) {
  return __builtin_bit_cast(T, __atomic_load_n(mettle::atomic_bits(object), __ATOMIC_RELAXED));
}

template <class T>
METTLE_INLINE void atomic_store_explicit(volatile atomic<T>* object, mettle::identity_t<T> desired,
                                         memory_order order) METTLE_RELAXED(order) {
  __atomic_store_n(mettle::atomic_bits(object), __builtin_bit_cast(mettle::bits_of<T>, desired),
                   __ATOMIC_RELAXED);
}

template <class T>
METTLE_INLINE T atomic_exchange_explicit(volatile atomic<T>* object, mettle::identity_t<T> desired,
                                         memory_order order) METTLE_RELAXED(order) {
  const auto bits = __builtin_bit_cast(mettle::bits_of<T>, desired);
  return __builtin_bit_cast(T, __atomic_exchange_n(mettle::atomic_bits(object), bits, __ATOMIC_RELAXED));
}

// Compares bits. Where they differ, `expected` takes the value found. It may fail although they are equal.
template <class T>
METTLE_INLINE bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* object, METTLE_THREAD T* expected,
                                                         mettle::identity_t<T> desired, memory_order success,
                                                         memory_order failure)
    METTLE_RELAXED(success) METTLE_RELAXED(failure) {
  auto found = __builtin_bit_cast(mettle::bits_of<T>, *expected);
  const auto bits = __builtin_bit_cast(mettle::bits_of<T>, desired);
  const bool exchanged = __atomic_compare_exchange_n(mettle::atomic_bits(object), &found, bits, true,
                                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  *expected = __builtin_bit_cast(T, found);
  return exchanged;
}

// Read-modify-write operations: each returns the value before it. With a builtin they are one instruction on integers.
#define METTLE_ATOMIC_FETCH(name, allowed, ...)                                                    \
  template <class T>                                                                               \
  METTLE_INLINE T atomic_fetch_##name##_explicit(volatile atomic<T>* object,                       \
                                                 mettle::identity_t<T> operand, memory_order order) \
      METTLE_RELAXED(order) {                                                                       \
    static_assert(allowed, "Metal has no atomic_fetch_" #name "_explicit for this type");          \
    __VA_ARGS__                                                                                    \
  }
#define METTLE_BUILTIN(builtin, Operation)                                                         \
  if constexpr (is_integral_v<T> && !is_same_v<T, bool>) {                                         \
    return builtin(&object->value, operand, __ATOMIC_RELAXED);                                     \
  } else {                                                                                         \
    return mettle::fetch<mettle::Operation>(object, operand);                                      \
  }

METTLE_ATOMIC_FETCH(add, (!is_same_v<T, bool>), METTLE_BUILTIN(__atomic_fetch_add, Sum))
METTLE_ATOMIC_FETCH(sub, (!is_same_v<T, bool>), METTLE_BUILTIN(__atomic_fetch_sub, Difference))
METTLE_ATOMIC_FETCH(min, (is_integral_v<T> && !is_same_v<T, bool>), METTLE_BUILTIN(__atomic_fetch_min, Minimum))
METTLE_ATOMIC_FETCH(max, (is_integral_v<T> && !is_same_v<T, bool>), METTLE_BUILTIN(__atomic_fetch_max, Maximum))
METTLE_ATOMIC_FETCH(and, (is_integral_v<T> && !is_same_v<T, bool>), METTLE_BUILTIN(__atomic_fetch_and, BitAnd))
METTLE_ATOMIC_FETCH(or, (is_integral_v<T> && !is_same_v<T, bool>), METTLE_BUILTIN(__atomic_fetch_or, BitOr))
METTLE_ATOMIC_FETCH(xor, (is_integral_v<T> && !is_same_v<T, bool>), METTLE_BUILTIN(__atomic_fetch_xor, BitXor))
#undef METTLE_ATOMIC_FETCH
#undef METTLE_BUILTIN

// 64-bit minimum and maximum, which return nothing in MSL.
METTLE_INLINE void atomic_min_explicit(volatile atomic_ulong* object, ulong operand, memory_order order)
    METTLE_RELAXED(order) {
  atomic_fetch_min_explicit(object, operand, order);
}
METTLE_INLINE void atomic_max_explicit(volatile atomic_ulong* object, ulong operand, memory_order order)
    METTLE_RELAXED(order) {
  atomic_fetch_max_explicit(object, operand, order);
}

#undef METTLE_RELAXED

METTLE_INLINE void atomic_thread_fence(mem_flags, memory_order order, thread_scope = thread_scope_device) {
#ifdef METTLE_PTX
  if (order != memory_order_relaxed) __nvvm_membar_gl();
#else
  if (order != memory_order_relaxed) __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

}  // namespace metal
