// Attention whose keys were dealt out to threadgroups: joins what attention_grouped.metal or attention_tiles.metal found for each split of them.

#include <metal_stdlib>
#include <mettle/attention_partials.h>
#include <mettle/launches.h>

#include "mettle/memory.h"

using namespace metal;
using namespace mettle_kernels;

// Values of a head.
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
constant constexpr uint MERGED = 16;

struct Params {
    uint heads;   // of the queries
    uint splits;  // of the keys of a token
};

// What some splits make together.
struct Joined {
    float sum;
    float highest;  // score, a logarithm to base 2
    float total;    // of the weights relative to it

    // Makes it relative to a score that is as high at least.
    METAL_FUNC void raise(float score)
    {
        // Without keys there is nothing to be made so, and no score that could be subtracted.
        const float factor = total != 0.0f ? fast::exp2(highest - score) : 0.0f;
        sum *= factor;
        total *= factor;
        highest = score;
    }

    // Adds what has been found relative to a score that is no higher. Nobody has written the values of splits without keys.
    METAL_FUNC void add(float2 header, float value)
    {
        if (header.y != 0.0f) {
            const float factor = fast::exp2(header.x - highest);
            sum = fma(factor, value, sum);
            total = fma(header.y, factor, total);
        }
    }
};

// out[t, h, :] from partial, which attention_partials.h describes. A token whose splits all are without keys gets NaN. sinks is [heads].
//
// A threadgroup of whole SIMD groups, with a thread for every value of a head at least, for each head and token: the
// grid is [heads, tokens]. With more threads, splits are shared out among rows of them.
kernel void attention_merge(
    device const float* partial   [[buffer(0)]],
    device float*       out       [[buffer(1)]],
    constant Params&    params    [[buffer(2)]],
    device const float* sinks     [[buffer(3)]],
    uint2 group_position [[threadgroup_position_in_grid]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  simd_groups    [[simdgroups_per_threadgroup]])
{
    let_next_launch_begin();
    threadgroup float sums[MAX_THREADS];
    threadgroup float2 headers[MAX_THREADS];

    const uint head = group_position.x;
    const ulong place = ulong(group_position.y) * params.heads + head;
    const uint rows = simd_groups * LANES / HEAD_SIZE;
    const uint row = index / HEAD_SIZE;
    const uint column = index % HEAD_SIZE;
    device const float* first = partial + partial_at(place, params.splits, 0, HEAD_SIZE);
    const uint stride = HEAD_SIZE + PARTIAL_HEADER;

    Joined joined = {0.0f, -INFINITY, 0.0f};
    for (uint start = row; start < params.splits; start += MERGED * rows) {
        float2 of_splits[MERGED];
        float values[MERGED];
#pragma unroll
        for (uint i = 0; i < MERGED; ++i) {
            device const float* from = first + min(start + i * rows, params.splits - 1) * stride;
            of_splits[i] = load_as<float2>(from, 0);
            values[i] = from[PARTIAL_HEADER + column];
        }
        float highest = joined.highest;
#pragma unroll
        for (uint i = 0; i < MERGED; ++i) {
            // Those beyond the last are the last again.
            highest = max(highest, of_splits[i].x);
        }
        joined.raise(highest);
#pragma unroll
        for (uint i = 0; i < MERGED; ++i) {
            if (start + i * rows < params.splits) {
                joined.add(of_splits[i], values[i]);
            }
        }
    }
    if (rows > 1) {
        sums[index] = joined.sum;
        headers[index] = float2(joined.highest, joined.total);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (row != 0) {
            return;
        }
        float highest = joined.highest;
        for (uint r = 1; r < rows; ++r) {
            highest = max(highest, headers[index + r * HEAD_SIZE].x);
        }
        joined.raise(highest);
        for (uint r = 1; r < rows; ++r) {
            joined.add(headers[index + r * HEAD_SIZE], sums[index + r * HEAD_SIZE]);
        }
    }
    // Only a token that sees no keys at all has no highest score.
    if (SINKS && joined.highest > -INFINITY) {
        const float sink = M_LOG2E_F * sinks[head];
        joined.raise(max(joined.highest, sink));
        joined.total += fast::exp2(sink - joined.highest);
    }
    if (row == 0) {
        out[place * HEAD_SIZE + column] = joined.sum / joined.total;
    }
}
