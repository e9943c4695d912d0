// What the processor's vector registers hold.
#pragma once

#include "types.h"

namespace mettle {

// Vectors of sixteen floats, at a time.
#if defined(__AVX512F__)
constexpr uint wide_registers = 32;
#else
constexpr uint wide_registers = 8;  // sixteen registers of AVX2, of eight floats, or 32 of AArch64, of four
#endif

}  // namespace mettle
