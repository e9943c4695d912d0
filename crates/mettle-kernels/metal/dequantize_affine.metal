// Weights in one of MLX's affine formats as halves: the kernel of dequantize.metal.

#define METTLE_AFFINE
#include "dequantize.metal"

#pragma mettle variant(gpu: dequantize_*, BITS = 4, GROUP = 64, BF16 = true)
#pragma mettle variant(gpu: dequantize_*, BITS = 8, GROUP = 64, BF16 = true)
