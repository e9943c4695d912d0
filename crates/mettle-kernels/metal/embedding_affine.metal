// Embedding from a table in one of MLX's affine formats: the kernel of embedding.metal.

#define METTLE_AFFINE
#include "embedding.metal"

#pragma mettle variant(embedding_*, BITS = 4, GROUP = 64, BF16 = true)
