// Matrix times many columns on CPUs, with weights in one of MLX's affine formats: the kernel of mul_panel.metal.

#define METTLE_AFFINE
#include "mul_panel.metal"

#pragma mettle variant(cpu: mul_panel_*, BITS = 4, GROUP = 64, BF16 = true)
#pragma mettle variant(cpu: mul_panel_*, BITS = 8, GROUP = 64, BF16 = true)
