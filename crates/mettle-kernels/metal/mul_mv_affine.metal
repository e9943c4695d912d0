// Matrix times a few vectors, with weights in one of MLX's affine formats: the kernel of mul_mv.metal.

#define METTLE_AFFINE
#include "mul_mv.metal"

// What MLX makes by default.
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 4, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 2)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 4)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 8)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 4, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 8, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 1)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 2)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 5)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 4, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 9)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 4, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 2)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 4)
#pragma mettle variant(cpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 8)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 4, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 8, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 1)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 2)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 5)
#pragma mettle variant(gpu: mul_mv_affine_f32, BITS = 8, GROUP = 64, BF16 = true, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 9)
