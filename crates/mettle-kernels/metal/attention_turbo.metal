// Causal attention over keys and values in the blocks of TurboQuant: the kernel of attention.metal. Queries, keys and values have been
// through hadamard.metal, so what comes out has to go back through it.

#define METTLE_TURBO
#include "attention.metal"

#pragma mettle variant(cpu: attention_turbo, TURBO_BITS = 4, TURBO_VALUES = 64, ROW_PER_THREAD = true, HEAD_SIZE = 64, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(cpu: attention_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(gpu: attention_turbo, TURBO_BITS = 4, TURBO_VALUES = 256, ROW_PER_THREAD = false, HEAD_SIZE = 512, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
