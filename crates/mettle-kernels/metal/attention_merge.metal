// Attention whose keys were dealt out to threadgroups: joins what attention_grouped.metal or attention_tiles.metal found for each split of them.

#include <metal_stdlib>
#include <mettle/attention_partials.h>
#include <mettle/launches.h>

#include "mettle/memory.h"

using namespace metal;
using namespace mettle_kernels;

// Values of a head: a multiple of four.
constant uint HEAD_SIZE [[function_constant(0)]];

// Whether each head has a sink, as in attention_grouped.metal.
constant bool SINKS [[function_constant(1)]];

#pragma mettle variant(gpu: attention_merge, HEAD_SIZE = 64, SINKS = false)
#pragma mettle variant(gpu: attention_merge, HEAD_SIZE = 80, SINKS = false)
#pragma mettle variant(gpu: attention_merge, HEAD_SIZE = 96, SINKS = false)
#pragma mettle variant(gpu: attention_merge, HEAD_SIZE = 128, SINKS = false)
#pragma mettle variant(gpu: attention_merge, HEAD_SIZE = 256, SINKS = false)

constant constexpr uint LANES = 32;

// Threads of a threadgroup, at most.
constant constexpr uint MAX_THREADS = 512;

// Splits that a thread asks for at a time.
constant constexpr uint MERGED = 4;

struct Params {
    uint heads;   // of the queries
    uint splits;  // of the keys of a token
};

// out[t, h, :] from partial, which attention_partials.h describes. A token whose splits all are without keys gets NaN. sinks is [heads].
//
// A threadgroup of whole SIMD groups, with a thread for every four values of a head at least, for each head and token: the
// grid is [heads, tokens]. With more threads, splits are shared out among them.
kernel void attention_merge(
    device const float* partial   [[buffer(0)]],
    device float*       out       [[buffer(1)]],
    constant Params&    params    [[buffer(2)]],
    device const float* sinks     [[buffer(3)]],
    uint2 group_position [[threadgroup_position_in_grid]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  lane           [[thread_index_in_simdgroup]],
    uint  simd_groups    [[simdgroups_per_threadgroup]])
{
    let_next_launch_begin();
    threadgroup float4 sums[MAX_THREADS];

    const uint head = group_position.x;
    const ulong place = ulong(group_position.y) * params.heads + head;
    const uint columns = HEAD_SIZE / 4;
    const uint rows = simd_groups * LANES / columns;
    const uint row = index / columns;
    const uint column = index % columns * 4;
    device const float* first = partial + partial_at(place, params.splits, 0, HEAD_SIZE);
    const uint stride = HEAD_SIZE + PARTIAL_HEADER;

    // A row's first splits are on their way while the highest score of all is looked for, by each SIMD group alone.
    float2 headers[MERGED];
    float4 of_splits[MERGED];
#pragma unroll
    for (uint i = 0; i < MERGED; ++i) {
        device const float* from = first + min(row + i * rows, params.splits - 1) * stride;
        headers[i] = load_as<float2>(from, 0);
        of_splits[i] = load_as<float4>(from + PARTIAL_HEADER + column, 0);
    }
    float highest = -INFINITY;
    float total = 0.0f;
    for (uint s = lane; s < params.splits; s += LANES) {
        const float2 header = load_as<float2>(first + s * stride, 0);
        const float before = highest;
        highest = max(highest, header.x);
        // Splits without keys have no total: their highest score, minus infinity, must not meet that of others without.
        const float old = total != 0.0f ? total * precise::exp2(before - highest) : 0.0f;
        total = header.y != 0.0f ? fma(header.y, precise::exp2(header.x - highest), old) : old;
    }
    const float of_lane = highest;
    highest = simd_max(highest);
    total = simd_sum(total != 0.0f ? total * precise::exp2(of_lane - highest) : 0.0f);
    // Only a token that sees no keys at all has no highest score.
    if (SINKS && highest > -INFINITY) {
        const float before = highest;
        const float sink = M_LOG2E_F * sinks[head];
        highest = max(highest, sink);
        total = fma(total, precise::exp2(before - highest), precise::exp2(sink - highest));
    }

    float4 sum = float4(0.0f);
    for (uint start = row; start < params.splits; start += MERGED * rows) {
        if (start != row) {
#pragma unroll
            for (uint i = 0; i < MERGED; ++i) {
                device const float* from = first + min(start + i * rows, params.splits - 1) * stride;
                headers[i] = load_as<float2>(from, 0);
                of_splits[i] = load_as<float4>(from + PARTIAL_HEADER + column, 0);
            }
        }
#pragma unroll
        for (uint i = 0; i < MERGED; ++i) {
            // Nobody has written the values of splits without keys.
            if (start + i * rows < params.splits && headers[i].y != 0.0f) {
                sum += precise::exp2(headers[i].x - highest) * of_splits[i];
            }
        }
    }
    sums[index] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (row == 0) {
#pragma unroll
        for (uint r = 1; r < MAX_THREADS / columns; ++r) {
            if (r < rows) {
                sum += sums[index + r * columns];
            }
        }
        store_four(out + place * HEAD_SIZE + column, sum * (1.0f / total));
    }
}
