// When the launches of a pass begin and wait for one another, on processors where a launch may begin while those before it are still
// running (NVIDIA GPUs from compute capability 9.0 on). Elsewhere a launch begins when those before it are through.
#pragma once

#include "types.h"

namespace mettle {

// The launch after this one may begin, as far as there is room.
METTLE_INLINE void let_next_launch_begin() {
#ifdef METTLE_PTX
  // The loader makes it an instruction where there is one.
  asm volatile("// mettle: let the next launch begin");
#endif
}

// Waits until the launches before this one are through. What they wrote is read through pointers that were given here and come back. A kernel
// that calls it reads nothing before but arguments of `#pragma mettle early`, and writes nothing before.
template <class T>
METTLE_INLINE T* wait_for_launches(T* pointer) {
#ifdef METTLE_PTX
  // A new pointer, so that no read of it is moved in front.
  auto global = (__attribute__((address_space(1))) T*)pointer;
  asm volatile("// mettle: wait for the launches before" : "+l"(global)::"memory");
  return (T*)global;
#else
  return pointer;
#endif
}

}  // namespace mettle
