// Barriers of a threadgroup and of a SIMD group.
#pragma once

#include "collective.h"

namespace metal {

// In a namespace of their own, so that only their operands find the operators; see matrix.h.
namespace memory {

// Which memory a barrier orders. Here every barrier orders all of it.
enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16,
};

METTLE_INLINE constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint(a) | uint(b)); }
METTLE_INLINE constexpr mem_flags operator&(mem_flags a, mem_flags b) { return mem_flags(uint(a) & uint(b)); }

}  // namespace memory

using memory::mem_flags;

#ifdef METTLE_PTX
METTLE_INLINE void threadgroup_barrier(mem_flags, ulong = 0) { __nvvm_bar_sync(0); }
// All lanes that have not returned reach it, as Metal demands: it is no collective of the active lanes.
METTLE_INLINE void simdgroup_barrier(mem_flags, ulong = 0) { __nvvm_bar_warp_sync(~0u); }
#else
METTLE_INLINE void threadgroup_barrier(mem_flags flags, ulong site = mettle::call_site()) {
  mettle_hooks->barrier(site, uint(flags));
}

METTLE_INLINE void simdgroup_barrier(mem_flags, ulong site = mettle::call_site()) {
  [[clang::nomerge]] mettle::wait(site, nullptr, nullptr, nullptr);
}
#endif

}  // namespace metal
