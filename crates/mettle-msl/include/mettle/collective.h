// How a SIMD-group operation runs on the CPU device: each lane hands over its operand and waits; once no lane of the
// group runs any more, one function computes the results of all lanes that wait at the same call.
//
// Operands and results lie on the stacks of their lanes, which stay as they are while the lanes wait.
#pragma once

#include "abi.h"
#include "types.h"

#ifdef METTLE_PTX
#include "ptx/collective.h"
#else

namespace mettle {

// As a default argument: the place of the outermost call in the compiled text, line << 12 | column. Lanes that wait at
// different calls do not take part in each other's operation, and text order decides which call is served first.
METTLE_INLINE constexpr ulong call_site(uint line = __builtin_LINE(), uint column = __builtin_COLUMN()) {
  return ulong(line) << 12 | (column < 4095 ? column : 4095);
}

// Waits at a collective. A function that the kernel calls from several places has one text but, inlined, a copy of this
// call for each; the address that a copy returns to tells them apart, in the upper half of the site. The optimiser must
// neither merge copies nor split one: hence the attributes, and the mark at every call.
__attribute__((noinline, optnone, convergent)) inline void wait(ulong site, Combine combine, const void* in, void* out) {
  const ulong caller = reinterpret_cast<ulong>(__builtin_return_address(0));
  mettle_hooks->collective(site | caller << 32, combine, in, out);
}

METTLE_INLINE uint lane_index() { return mettle_hooks->thread_index() % simd_width; }

// The operands of the lanes that take part in an operation.
template <class T>
struct Lanes {
  const void* const* operands;
  uint active;

  METTLE_INLINE bool has(uint lane) const { return lane < simd_width && (active >> lane & 1u) != 0; }
  METTLE_INLINE bool has_all() const { return active == ~0u; }
  METTLE_INLINE const T& operator[](uint lane) const { return *static_cast<const T*>(operands[lane]); }
  METTLE_INLINE uint first() const { return uint(__builtin_ctz(active)); }
};

template <class Operation, class In, class Out>
void combine(const void* const* in, void* const* out, uint active) {
  const Lanes<In> lanes{in, active};
  Out results[simd_width];
  Operation::apply(lanes, results);
  for (uint lane = 0; lane < simd_width; lane++) {
    if (lanes.has(lane)) *static_cast<Out*>(out[lane]) = results[lane];
  }
}

// The result of `Operation::apply(lanes, results)` for the calling lane; `apply` fills the results of the active lanes.
template <class Operation, class Out, class In>
METTLE_INLINE Out collective(ulong site, METTLE_VALUE(In) operand) {
  Out result;
  [[clang::nomerge]] wait(site, &combine<Operation, In, Out>, &operand, &result);
  return result;
}

}  // namespace mettle

#endif  // METTLE_PTX
