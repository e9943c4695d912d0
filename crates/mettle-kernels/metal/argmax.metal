// The position of the largest value of each row.
//
// On a CPU one thread searches a row. On a GPU a threadgroup does; one alone cannot have enough of a long row on its way from
// memory, so many share it, each with a segment, and what they find meets in a second launch.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/memory.h>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

// One thread searches a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

#pragma mettle variant(cpu: argmax_f32, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: argmax_*, ROW_PER_THREAD = false)

// Vectors of four values that a thread asks for at a time.
constant constexpr uint VECTORS = 4;

struct Params {
    uint columns;
    uint length;    // of a segment: a multiple of four, or that of the row
    uint segments;  // of a row
    uint aligned;   // whether x begins at a multiple of sixteen bytes
};

// The largest of some values of a row and the lowest place where it is; minus infinity and `columns` where nothing was found.
struct Found {
    float value;
    uint index;
};

METAL_FUNC Found nothing(uint columns) { return Found{-INFINITY, columns}; }

// As it lies in memory between two launches: the bits of the value, then the index.
METAL_FUNC uint2 packed(Found found) { return uint2(as_type<uint>(found.value), found.index); }
METAL_FUNC Found unpacked(uint2 bits) { return Found{as_type<float>(bits.x), bits.y}; }

// Takes value `x` of place i into account. No comparison with NaN holds.
METAL_FUNC void consider(thread Found& found, float x, uint i)
{
    const bool better = x > found.value || (x == found.value && i < found.index);
    found.value = better ? x : found.value;
    found.index = better ? i : found.index;
}

// What the threads of the group have found together; every thread gets it.
METAL_FUNC Found join(Group group, Found found)
{
    const float best = group_max(group, found.value);
    return Found{best, group_min(group, found.value == best ? found.index : UINT_MAX)};
}

// Searches columns first..end of row `row` of x, by all threads of the group; every thread gets the result. `first` is a
// multiple of four.
METAL_FUNC Found search(Group group, device const float* x, uint row, uint first, uint end, constant Params& params)
{
    // Neighbouring threads read neighbouring vectors from the first whole one on, whose place depends on where the row begins.
    const uint before = (0 - row * params.columns) % 4;
    const uint begin = params.aligned != 0 ? first + min(before, end - first) : end;
    const uint vectors = (end - begin) / 4;
    x += ulong(row) * params.columns;

    Found found = nothing(params.columns);
    for (uint v = group.thread_index; v < vectors; v += VECTORS * group.threads) {
        float4 values[VECTORS];
        uint places[VECTORS];
        // The last vector again instead of those beyond it.
#pragma unroll
        for (uint j = 0; j < VECTORS; ++j) {
            const uint vector = min(v + j * group.threads, vectors - 1);
            places[j] = begin + 4 * vector;
            values[j] = load_as<float4>(x + begin, vector);
        }
#pragma unroll
        for (uint j = 0; j < VECTORS; ++j) {
#pragma unroll
            for (uint e = 0; e < 4; ++e) {
                consider(found, values[j][e], places[j] + e);
            }
        }
    }
    // The values before and behind the vectors.
    for (uint i = first + group.thread_index; i < begin; i += group.threads) {
        consider(found, x[i], i);
    }
    for (uint i = begin + 4 * vectors + group.thread_index; i < end; i += group.threads) {
        consider(found, x[i], i);
    }
    return join(group, found);
}

// The same for a whole row at `x` and one thread. Going through it twice is faster there: both loops work on many values at once.
METAL_FUNC uint search_alone(device const float* x, uint columns)
{
    wide maxima = splat(-INFINITY);
    for (uint i = 0; i < columns; i += WIDE) {
        maxima = max(load_next(x + i, columns - i, -INFINITY), maxima);
    }
    const float best = largest(maxima);

    uint found = columns;
    for (uint i = 0; i < columns; ++i) {
        found = min(found, x[i] == best ? i : columns);
    }
    return found;
}

// out[r] = the lowest i at which x[r, i] is the largest of the row; x is [rows, columns], out is [rows]. NaN is never the
// largest; a row of nothing but NaN gives `columns`, an index that no row has.
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
kernel void argmax_f32(
    device const float* x      [[buffer(0)]],
    device uint*        out    [[buffer(1)]],
    constant Params&    params [[buffer(2)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint thread_index    [[thread_index_in_threadgroup]],
    uint threads         [[threads_per_threadgroup]],
    uint lane            [[thread_index_in_simdgroup]],
    uint simd_group      [[simdgroup_index_in_threadgroup]],
    uint simd_groups     [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    if (ROW_PER_THREAD) {
        out[thread_position] = search_alone(x + ulong(thread_position) * params.columns, params.columns);
        return;
    }
    const Group group = Group{thread_index, threads, lane, simd_group, simd_groups, scratch};
    const Found found = search(group, x, group_position, 0, params.columns, params);
    if (thread_index == 0) {
        out[group_position] = found.index;
    }
}

// The first launch for long rows: partial[r, s] = the bits of the largest value of segment s of row r, then the lowest index
// where it is, in the row; minus infinity and `columns` for nothing but NaN. partial is [rows, segments].
//
// A threadgroup for each segment of each row, those of a row one after the other.
kernel void argmax_segments_f32(
    device const float* x       [[buffer(0)]],
    device uint2*       partial [[buffer(1)]],
    constant Params&    params  [[buffer(2)]],
    uint group_position [[threadgroup_position_in_grid]],
    uint thread_index   [[thread_index_in_threadgroup]],
    uint threads        [[threads_per_threadgroup]],
    uint lane           [[thread_index_in_simdgroup]],
    uint simd_group     [[simdgroup_index_in_threadgroup]],
    uint simd_groups    [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group = Group{thread_index, threads, lane, simd_group, simd_groups, scratch};
    const uint first = group_position % params.segments * params.length;
    const uint end = first + min(params.length, params.columns - first);
    const Found found = search(group, x, group_position / params.segments, first, end, params);
    if (thread_index == 0) {
        partial[group_position] = packed(found);
    }
}

// The second launch: out[r] from what argmax_segments_* wrote to partial, with the same parameters.
//
// A threadgroup for each row.
kernel void argmax_merge(
    device const uint2* partial [[buffer(0)]],
    device uint*        out     [[buffer(1)]],
    constant Params&    params  [[buffer(2)]],
    uint group_position [[threadgroup_position_in_grid]],
    uint thread_index   [[thread_index_in_threadgroup]],
    uint threads        [[threads_per_threadgroup]],
    uint lane           [[thread_index_in_simdgroup]],
    uint simd_group     [[simdgroup_index_in_threadgroup]],
    uint simd_groups    [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group = Group{thread_index, threads, lane, simd_group, simd_groups, scratch};
    partial += ulong(group_position) * params.segments;
    Found found = nothing(params.columns);
    for (uint s = thread_index; s < params.segments; s += threads) {
        const Found other = unpacked(partial[s]);
        consider(found, other.value, other.index);
    }
    found = join(group, found);
    if (thread_index == 0) {
        out[group_position] = found.index;
    }
}
