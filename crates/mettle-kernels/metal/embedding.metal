// Embedding: rows of a table, chosen by token ids and decoded to f32.

#include <metal_stdlib>
#include <mettle/formats.h>

using namespace metal;
using namespace mettle_kernels;

struct Params {
    uint rows;     // of the table
    uint columns;  // of the table and of the output
    float scale;   // of what is decoded
};

// out[t, :] = scale * table[ids[t], :] for tokens t; table is [rows, columns], ids is [tokens], out is [tokens, columns].
// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
//
// One thread for sixteen columns of a token: the grid is [ceil(columns / 16), tokens].
template <typename W>
kernel void embedding(
    device const W*     table  [[buffer(0)]],
    device const uint*  ids    [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint first = WIDE * position.x;
    const uint id = ids[position.y];
    device float* to = out + ulong(position.y) * params.columns + first;
    const uint left = params.columns - first;

    wide values = splat(NAN);
    if (id < params.rows) {
        device const W* row = table + ulong(id) * row_stride<W>(params.columns);
        constexpr uint block = format<W>::values;
        values = left < WIDE ? decode_tail(row, first, left) : decode(row, first / block, first % block / WIDE);
    }
    store_next(to, values * splat(params.scale), left);
}

#define INSTANTIATE(name, type) \
    template [[host_name("embedding_" #name)]] kernel decltype(embedding<type>) embedding<type>;
METTLE_FORMATS(INSTANTIATE)
