// Appends keys and values to the cache in the blocks of TurboQuant: the kernel of kv_append.metal. They have been through hadamard.metal.

#define METTLE_TURBO
#include "kv_append.metal"

#pragma mettle variant(kv_append_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, PAGED = false)
