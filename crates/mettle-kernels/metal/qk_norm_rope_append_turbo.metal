// What lies between the projections of an attention layer and its scores where caches are of TurboQuant: the kernel of qk_norm_rope_append.metal. What
// comes out of attention has to go back through hadamard.metal.

#define METTLE_TURBO
#include "qk_norm_rope_append.metal"

#pragma mettle variant(cpu: qk_norm_rope_append_turbo, TURBO_BITS = 4, TURBO_VALUES = 64, ROW_PER_THREAD = true, BIASED = false)
#pragma mettle variant(cpu: qk_norm_rope_append_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, ROW_PER_THREAD = true, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 2, TURBO_VALUES = 128, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 3, TURBO_VALUES = 128, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 4, TURBO_VALUES = 64, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 4, TURBO_VALUES = 256, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 5, TURBO_VALUES = 128, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 6, TURBO_VALUES = 128, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 8, TURBO_VALUES = 128, ROW_PER_THREAD = false, BIASED = false)
#pragma mettle variant(gpu: qk_norm_rope_append_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, ROW_PER_THREAD = false, BIASED = true)
