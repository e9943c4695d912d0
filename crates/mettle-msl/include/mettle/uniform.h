// uniform<T>: a value that is the same in every thread, which lets a GPU's compiler use scalar instructions. Here it is
// the value itself.
#pragma once

#include "types.h"

namespace metal {

template <class T>
using uniform = T;

template <class T>
METTLE_INLINE constexpr T make_uniform(T value) {
  return value;
}

}  // namespace metal
