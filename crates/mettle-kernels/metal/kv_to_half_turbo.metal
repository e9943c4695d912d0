// Keys and values of caches in the blocks of TurboQuant as halves: the kernel of kv_to_half.metal, for heads of one block. What was
// transformed by hadamard.metal still is.

#define METTLE_TURBO
#include "kv_to_half.metal"

#pragma mettle variant(gpu: kv_to_half_turbo, TURBO_BITS = 4, TURBO_VALUES = 128)
