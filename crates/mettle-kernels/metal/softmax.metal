// Softmax over rows.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/mask.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// What the mask consists of, of the values of mettle/mask.h.
constant uint MASK [[function_constant(1)]];

#pragma mettle variant(cpu: softmax_f32, ROW_PER_THREAD = true, MASK = 0)
#pragma mettle variant(gpu: softmax_f32, ROW_PER_THREAD = false, MASK = 0)

// Sixteens of a thread that are summed on their own.
constant constexpr uint RUN = 32;

struct Params {
    uint columns;
    uint mask_rows;  // row r of x has row r % mask_rows of the mask
    float scale;     // of x, above zero
};

// The scores at `at` of a row: scale * x + mask, minus infinity behind its end.
template <typename T>
METAL_FUNC wide scores(device const T* x, device const uchar* mask, ulong of_mask, Sixteen at, constant Params& params)
{
    const wide values = load(x, at, params.columns, -INFINITY) * splat(params.scale);
    return masked(values, mask, MASK, of_mask, at, params.columns);
}

// out[r, i] = exp(s[i] - m) / sum over j of exp(s[j] - m), m the largest of s = scale * x[r, :] + mask[r % mask_rows, :]; x and out are
// [rows, columns], rows of any length, mask is [mask_rows, columns] and not read without MASK. Scores of minus infinity get zero; a row of
// nothing else gets NaN, as the formula says.
//
// One thread (ROW_PER_THREAD) or threadgroup for each row.
template <typename T>
kernel void softmax(
    device const T*     x      [[buffer(0)]],
    device const uchar* mask   [[buffer(1)]],
    device T*           out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint thread_index    [[thread_index_in_threadgroup]],
    uint threads         [[threads_per_threadgroup]],
    uint lane            [[thread_index_in_simdgroup]],
    uint simd_group      [[simdgroup_index_in_threadgroup]],
    uint simd_groups     [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group =
        ROW_PER_THREAD ? lone_thread() : Group{thread_index, threads, lane, simd_group, simd_groups, scratch};
    const uint row = ROW_PER_THREAD ? thread_position : group_position;
    const uint columns = params.columns;
    const uint sixteens = sixteens_of(group, columns);
    x += ulong(row) * columns;
    out += ulong(row) * columns;
    const ulong of_mask = ulong(row % params.mask_rows) * columns;

    wide maxima = splat(-INFINITY);
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        maxima = max(scores(x, mask, of_mask, sixteen_of(group, i), params), maxima);
    }
    const wide m = splat(group_max(group, largest(maxima)));

    // What is rounded to less bits is not rounded twice: its exponentials are computed again.
    constexpr bool kept = sizeof(T) == sizeof(float);

    // Sums of runs are added up, so that long rows keep their precision.
    wide sums = splat(0.0f);
    for (uint start = group.thread_index; start < sixteens; start += RUN * group.threads) {
        wide run = splat(0.0f);
        for (uint i = start; i < min(sixteens, start + RUN * group.threads); i += group.threads) {
            const Sixteen at = sixteen_of(group, i);
            const wide values = exp(scores(x, mask, of_mask, at, params) - m);
            if (kept) {
                store(out, at, columns, values);
            }
            run = run + values;
        }
        sums = sums + run;
    }
    const wide scale = splat(1.0f / group_sum(group, sum(sums)));

    // Each thread rescales what it wrote itself.
    for (uint i = group.thread_index; i < sixteens; i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        device const T* written = out;
        const wide values = kept ? load(written, at, columns) : exp(scores(x, mask, of_mask, at, params) - m);
        store(out, at, columns, values * scale);
    }
}

#define INSTANTIATE(name, type) template [[host_name("softmax_" #name)]] kernel decltype(softmax<type>) softmax<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
