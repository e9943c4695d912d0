// Causal attention on GPUs over keys and values in the blocks of TurboQuant: the kernel of attention_grouped.metal, for heads of one block.
// Queries, keys and values have been through hadamard.metal, so what comes out has to go back through it.

#define METTLE_TURBO
#include "attention_grouped.metal"

#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 2, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 2, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 2, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 3, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 3, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 3, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 64, HEAD_SIZE = 64, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 64, HEAD_SIZE = 64, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 64, HEAD_SIZE = 64, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 256, HEAD_SIZE = 256, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 256, HEAD_SIZE = 256, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 4, TURBO_VALUES = 256, HEAD_SIZE = 256, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 5, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 5, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 5, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 6, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 6, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 6, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 8, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 1, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 8, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 2, SOFTCAP = false, SINKS = false, PAGED = false)
#pragma mettle variant(gpu: attention_grouped_turbo, TURBO_BITS = 8, TURBO_VALUES = 128, HEAD_SIZE = 128, HEADS = 4, SOFTCAP = false, SINKS = false, PAGED = false)
