// Reads keys or values back from a cache in the blocks of TurboQuant.

#define METTLE_TURBO
#include <metal_stdlib>
#include <mettle/kv_rows.h>

using namespace metal;
using namespace mettle_kernels;

#pragma mettle variant(kv_read_turbo, TURBO_BITS = 4, TURBO_VALUES = 128)

struct Params {
    uint capacity;   // rows of the cache
    uint heads;      // of a row
    uint head_size;  // whole blocks
};

// out[t, h, :] = cache[positions[t], h, :], decoded, for tokens t; the cache is [capacity, heads, head_size], out is [tokens, heads, head_size].
// What was transformed by hadamard.metal still is. A token whose position lies outside the cache gets NaN.
//
// One thread for sixteen values of a token: the grid is [heads * head_size / 16, tokens].
kernel void kv_read_turbo(
    device const uint* cache     [[buffer(0)]],
    device const int*  positions [[buffer(1)]],
    device float*      out       [[buffer(2)]],
    constant Params&   params    [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint columns = params.heads * params.head_size;
    const uint first = WIDE * position.x;
    const uint head = first / params.head_size;
    const uint of_head = first % params.head_size;
    const int at = positions[position.y];

    wide values = splat(NAN);
    if (at >= 0 && uint(at) < params.capacity) {
        device const uint* row = cache + ulong(at) * row_stride<uint>(columns) + head * row_stride<uint>(params.head_size);
        values = cached_sixteen(row, of_head, params.head_size - of_head);
    }
    store(out + ulong(position.y) * columns + first, values);
}
