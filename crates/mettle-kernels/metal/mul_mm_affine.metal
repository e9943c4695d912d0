// Matrix times matrix, with weights in one of MLX's affine formats: the kernel of mul_mm.metal.

#define METTLE_AFFINE
#include "mul_mm.metal"

#pragma mettle variant(gpu: mul_mm_*, BITS = 4, GROUP = 64, BF16 = true, LARGE = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mm_*, BITS = 4, GROUP = 64, BF16 = true, LARGE = true, FUSED = 0)
#pragma mettle variant(gpu: mul_mm_*, BITS = 8, GROUP = 64, BF16 = true, LARGE = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mm_*, BITS = 8, GROUP = 64, BF16 = true, LARGE = true, FUSED = 0)
