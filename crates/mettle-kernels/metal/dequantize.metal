// Weights in blocks as halves: what products of many columns multiply by tiles where decoding weights once is quicker than decoding them
// for each piece of results.

#include <metal_stdlib>
#include <mettle/across.h>
#include <mettle/launches.h>
#include <mettle/product.h>

using namespace metal;
using namespace mettle_kernels;

struct Params {
    uint columns;  // whole blocks
};

#pragma mettle early(dequantize_*, w)

// out[r, c] = w[r, c] rounded to half, beyond 65504 to infinity; both are [rows, columns], out is aligned to sixteen bytes.
//
// A thread for sixteen columns of a row. The grid is [rows, n] threadgroups of whole SIMD groups, as many as have a thread for all columns.
template <typename W>
kernel void dequantize(
    device const W*  w       [[buffer(0)]],
    device half*     out     [[buffer(1)]],
    constant Params& params  [[buffer(2)]],
    uint2 group_position [[threadgroup_position_in_grid]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  threads        [[threads_per_threadgroup]])
{
    let_next_launch_begin();
    constexpr uint values = format<W>::values;
    const uint position = group_position.y * threads + index;
    const uint last = params.columns / WIDE - 1;
    // Threads beyond the last have its sixteen, too: their neighbours' exchange is quicker where all take part.
    const uint first = WIDE * min(position, last);
    device const W* row = w + ulong(group_position.x) * row_stride<W>(params.columns);
    const wide sixteen = decode(row, first / values, first % values / WIDE);
    const uint4 low = chunk_of<half>(sixteen, 0, false);
    const uint4 high = chunk_of<half>(sixteen, CHUNK, false);
    // Two neighbours write the halves of the first together, then those of the second: 32 bytes at a time, which memory takes as they are.
    const bool odd = position % 2 == 1;
    uint4 of_first;
    uint4 of_second;
#pragma unroll
    for (uint i = 0; i < 4; ++i) {
        const uint other = across(odd ? low[i] : high[i], 1);
        of_first[i] = odd ? other : low[i];
        of_second[i] = odd ? high[i] : other;
    }
    // What the launches before may still read.
    out = wait_for_launches(out);
    if (position <= last) {
        device uint4* to = reinterpret_cast<device uint4*>(out + ulong(group_position.x) * params.columns) + position / 2 * 4 + position % 2;
        to[0] = of_first;
        to[2] = of_second;
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("dequantize_" #name)]] [[kernel]] decltype(dequantize<type>) dequantize<type>;
METTLE_BLOCK_FORMATS(INSTANTIATE)
