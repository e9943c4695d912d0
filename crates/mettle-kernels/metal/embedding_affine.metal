// Embedding from a table in one of MLX's affine formats.

#include <metal_stdlib>
#include <mettle/affine.h>

using namespace metal;
using namespace mettle_kernels;

#pragma mettle variant(embedding_*, BITS = 4, GROUP = 64, BF16 = true)

struct Params {
    uint rows;     // of the table
    uint columns;  // of the table and of the output, whole groups
    float scale;   // of what is decoded
};

// out[t, :] = scale * table[ids[t], :] for tokens t; table is [rows, columns], ids is [tokens], out is [tokens, columns].
// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
//
// One thread for sixteen columns of a token: the grid is [columns / 16, tokens].
kernel void embedding_affine(
    device const uchar* table  [[buffer(0)]],
    device const uint*  ids    [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint id = ids[position.y];
    wide values = splat(NAN);
    if (id < params.rows) {
        values = decode_affine(table + ulong(id) * affine_row_bytes(params.columns), position.x);
    }
    store(out + ulong(position.y) * params.columns + WIDE * position.x, values * splat(params.scale));
}
