// Causal attention of queries of sixteen bits, over keys and values of the same type: the kernel of attention.metal. What comes out is rounded to
// that type once; sums are in f32.

#define METTLE_16BIT
#include "attention.metal"

#pragma mettle variant(cpu: attention_16bit_*, ROW_PER_THREAD = true, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
#pragma mettle variant(gpu: attention_16bit_*, ROW_PER_THREAD = false, HEAD_SIZE = 128, SOFTCAP = false, SINKS = false, MASK = 0, PAGED = false)
