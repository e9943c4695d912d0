// Matrix times matrix by tensor operations, with weights in one of MLX's affine formats: the kernel of mul_mm_tensor.metal.

#define METTLE_AFFINE
#include "mul_mm_tensor.metal"

#pragma mettle variant(gpu: mul_mm_tensor_*_f32, BITS = 4, GROUP = 64, BF16 = true)
