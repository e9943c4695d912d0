// Matrix times a few vectors: every weight is read and decoded once for all columns.

#include <metal_stdlib>
#include <mettle/formats.h>
#include <mettle/group.h>
#include <mettle/launches.h>
#include <mettle/mul_mv.h>
#include <mettle/row_of_thread.h>
#include <mettle/rows_by_digits.h>
#include <mettle/staged_products.h>

using namespace metal;
using namespace mettle_kernels;

#ifndef METTLE_AFFINE
#pragma mettle variant(cpu: mul_mv_*_f32, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_*_f32, ROW_PER_THREAD = true, COLUMNS = 2, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_*_f32, ROW_PER_THREAD = true, COLUMNS = 3, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_*_f32, ROW_PER_THREAD = true, COLUMNS = 4, STAGED = false, FUSED = 0)
#pragma mettle variant(cpu: mul_mv_*_f32, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 2)
#pragma mettle variant(cpu: mul_mv_*_f32, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 4)
#pragma mettle variant(cpu: mul_mv_*_f32, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false, FUSED = 8)
#pragma mettle variant(gpu: mul_mv_*_f32, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = true, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_f*_f32, ROW_PER_THREAD = false, COLUMNS = 2, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_bf*, ROW_PER_THREAD = false, COLUMNS = 2, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 2, STAGED = true, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_f8_*_f32, ROW_PER_THREAD = false, COLUMNS = 8, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_f32_f32, ROW_PER_THREAD = false, COLUMNS = 8, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_f32_f32, ROW_PER_THREAD = false, COLUMNS = 16, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 8, STAGED = true, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_*_f32, ROW_PER_THREAD = false, COLUMNS = 4, STAGED = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 4, STAGED = true, FUSED = 0)
#pragma mettle variant(gpu: mul_mv_*_f32, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 1)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = true, FUSED = 1)
#pragma mettle variant(gpu: mul_mv_*_f32, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 2)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = true, FUSED = 2)
#pragma mettle variant(gpu: mul_mv_*_f32, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 5)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = true, FUSED = 5)
#pragma mettle variant(gpu: mul_mv_*_f32, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false, FUSED = 9)
#pragma mettle variant(gpu: mul_mv_*q*, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = true, FUSED = 9)
#endif

#pragma mettle early(mul_mv_*, w, second, third, norm)

// Sixteen values of x, times those of the norm's weights. To `squares` their squares are added.
template <bool ALIGNED, typename X>
METAL_FUNC wide load_values(device const X* x, device const float* norm, thread float& squares)
{
    const wide values = ALIGNED ? load_aligned(x) : load(x);
    if (!(FUSED & NORM)) {
        return values;
    }
    squares += dot(values, values);
    return values * (ALIGNED ? load_aligned(norm) : load(norm));
}

// Rows of weights that are taken together, at most. Sixteen values of x are loaded once for all of them, and the weights of as many
// rows are on their way at a time.
constant constexpr uint ROWS = BATCH;
METAL_FUNC uint rows_together() { return COLUMNS > FEW_COLUMNS ? ROWS / 2 : ROWS; }

// A thread's sums: of row r and column c at r * sums_of_row() + c.
constant constexpr uint SUMS = ROWS / 2 * MAX_COLUMNS;
METAL_FUNC uint sums_of_row() { return COLUMNS > FEW_COLUMNS ? MAX_COLUMNS : FEW_COLUMNS; }

template <typename W>
struct Rows {
    device const W* row[ROWS];
};

// How many of them are of one matrix.
METAL_FUNC uint rows_of_matrix() { return FUSED & GATE ? rows_together() / 2 : rows_together(); }

// The first rows of a part: with a gate half of them are of w, and the same ones of gated. Beyond the last row it is taken
// again.
template <typename W>
METAL_FUNC Rows<W> rows_of(thread const Part<W>& part, uint k)
{
    Rows<W> rows;
#pragma unroll
    for (uint r = 0; r < rows_together(); ++r) {
        const uint row = min(part.first + r % rows_of_matrix(), part.rows - 1);
        rows.row[r] = (r < rows_of_matrix() ? part.w : part.gated) + ulong(row) * row_stride<W>(k);
    }
    return rows;
}

// Adds to a thread's sums what it has to do: every sixteenth value of k, in turns with the other threads of the threadgroup. To
// `squares` those of its values of x. Columns beyond the last are that one again.
template <typename W, bool ALIGNED, typename X>
METAL_FUNC void add_rows(
    thread float* sums, thread float& squares, thread const Rows<W>& rows, device const X* x,
    device const float* norm, uint k, uint last_column, uint index, uint threads)
{
    constexpr uint values = format<W>::values;
    const uint whole = k / WIDE * WIDE;
    for (uint first = index * WIDE; first < whole; first += threads * WIDE) {
        const uint block = first / values;
        const uint part = first % values / WIDE;
        wide weights[ROWS];
#pragma unroll
        for (uint r = 0; r < rows_together(); ++r) {
            device const W* row = rows.row[r];
            weights[r] = ALIGNED ? decode_aligned(row, block, part) : decode(row, block, part);
        }
#pragma unroll
        for (uint c = 0; c < COLUMNS; ++c) {
            const ulong column = ulong(min(c, last_column)) * k;
            const wide from_x = load_values<ALIGNED>(x + column + first, norm + first, squares);
#pragma unroll
            for (uint r = 0; r < rows_together(); ++r) {
                sums[r * sums_of_row() + c] += dot(weights[r], from_x);
            }
        }
    }
}

// Adds up the sums of all lanes, and puts them into `to`, each at its place.
METAL_FUNC void add_lanes(thread float* sums, threadgroup float* to, uint lane)
{
    if (COLUMNS > FEW_COLUMNS) {
        to[lane] = sum_each<SUMS>(sums, lane);
    } else if (COLUMNS > 1) {
        const float sum = sum_each<SUMS / 2>(sums, lane);
        if (lane % 2 == 0) {
            to[lane / 2] = sum;
        }
    } else {
#pragma unroll
        for (uint r = 0; r < ROWS; ++r) {
            const float sum = simd_sum(sums[r * FEW_COLUMNS]);
            if (lane == 0) {
                to[r * FEW_COLUMNS] = sum;
            }
        }
    }
}

// Waits for all threads, and gives what products with values on their way are to be multiplied with: with a norm, that comes
// from each thread's share of their squares. `memory` has room for a float of each SIMD group; nobody uses it.
METAL_FUNC float norm_scale(
    float squares, threadgroup float* memory, constant Params& params, uint simd_groups, uint simd_group, uint lane)
{
    if (FUSED & NORM) {
        squares = simd_sum(squares);
        if (lane == 0) {
            memory[simd_group] = squares;
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (!(FUSED & NORM)) {
        return 1.0f;
    }
    return scale_of_groups(memory, params, simd_groups, lane);
}

// out[c, row] = sum over i of w[row, i] * x[c, i], in f32; w is [rows, k], x is [m, k], out is [m, rows]. x and out are f32, or of
// sixteen bits: then results are rounded once, and products are neither STAGED nor by digits. A launch takes the m columns in steps
// of params.columns, which divides m. What FUSED says is done beside: x is normalised with `norm`, [k]; with a gate `second` are
// more weights, [rows, k]; with three matrices it and `third` are [rows_of_others, k], and out is [rows + 2 * rows_of_others]. What
// they are without it is not read.
//
// With experts, w is [experts, rows, k], as is `second`, and column c is multiplied with matrix ids[c], the last one beyond it; x is
// [m / sharers, k]. For COLUMNS = 1, and not with THREE. Else ids are not read.
//
// One thread (ROW_PER_THREAD) for each step and row: the grid is [m / columns, rows] threads. With one column and a format that
// is multiplied by digits, a threadgroup of one thread for `count` rows, up to ROWS_OF_THREAD; else it is 1. Or one threadgroup of
// whole SIMD groups for each step and a few rows of weights: [m / columns, ceil(rows / count)] threadgroups, where `count` is
// `rows_of_matrix`. Steps come first, so that the columns are done while the weights of a threadgroup's rows are at hand.
// With STAGED (blocks) there are as many threadgroups as one likes, [m / columns, groups], among which all units are divided:
// `count` is `rows_of_turn` of `Chunk`.
//
// `memory` of a thread that multiplies by digits holds `most_groups` times `words_of_group` of `ByDigits`; that of others of
// ROW_PER_THREAD nothing. `memory` of threadgroups holds SUMS + 1 floats of each SIMD group or, with STAGED, 2 * MAX_SIMD_GROUPS
// floats, `chunks` chunks of digits of each column, STAGES batches of rows of each SIMD group, both as `Chunk` lays them out,
// and `slices` floats for each row, with a gate twice as many, of all columns and of each unit of a threadgroup.
//
// Registers for 512 threads leave room for several threadgroups on a compute unit.
template <typename W, typename X>
[[kernel, max_total_threads_per_threadgroup(512)]] void mul_mv(
    device const W*     w      [[buffer(0)]],
    device const W*     second [[buffer(1)]],
    device const W*     third  [[buffer(2)]],
    device const X*     x      [[buffer(3)]],
    device const float* norm   [[buffer(4)]],
    device X*           out    [[buffer(5)]],
    device const uint*  ids    [[buffer(6)]],
    constant Params&    params [[buffer(7)]],
    threadgroup float*  memory [[threadgroup(0)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint2 groups          [[threadgroups_per_grid]],
    uint  index           [[thread_index_in_threadgroup]],
    uint  simd_groups     [[simdgroups_per_threadgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  lane            [[thread_index_in_simdgroup]])
{
    // The digits of products are those of floats.
    constexpr bool floats = sizeof(X) == sizeof(float);
    constexpr bool can_be_staged = format<W>::whole_numbers && floats;
    if (STAGED && can_be_staged) {
        let_next_launch_begin();
    }
    if (!(STAGED && can_be_staged) || params.experts > 0) {
        x = wait_for_launches(x);
        norm = wait_for_launches(norm);
        out = wait_for_launches(out);
        ids = wait_for_launches(ids);
    }
    const uint k = params.k;
    const uint step = ROW_PER_THREAD ? thread_position.x : group_position.x;
    if (params.experts > 0) {
        const ulong first = ulong(min(ids[step], params.experts - 1)) * params.rows * row_stride<W>(k);
        w += first;
        second += first;
        x += ulong(step / params.sharers) * k;
    } else {
        x += ulong(step) * params.columns * k;
    }
    out += ulong(step) * params.columns * params.rows;
    const uint group = ROW_PER_THREAD ? thread_position.y : group_position.y;
    const Part<W> part = part_of(w, second, third, params, group);
    device X* results = out + part.place;
    device const float* as_floats = reinterpret_cast<device const float*>(x);
    if (ROW_PER_THREAD) {
        const ulong start = ulong(part.first) * row_stride<W>(k);
        if (ByDigits<W>::possible && floats && COLUMNS == 1) {
            const uint rows = min(params.count, part.rows - part.first);
            float sums[2 * ROWS_OF_THREAD];
            ByDigits<W>::multiply_rows(sums, part.w + start, part.gated + start, FUSED & GATE, rows, as_floats, k, memory);
            for (uint r = 0; r < rows; ++r) {
                const uint pairs = (rows + 1) / 2;
                const uint at = FUSED & GATE || r < pairs ? 2 * r : 2 * (r - pairs) + 1;
                finish(results + part.first + r, sums[at], sums[at + (FUSED & GATE ? 1 : 0)]);
            }
            return;
        }
        const Sums<FEW_COLUMNS> sums = row_of_thread<FEW_COLUMNS>(part.w + start, x, k, COLUMNS);
        Sums<FEW_COLUMNS> sums_of_gated = {};
        if (FUSED & GATE) {
            sums_of_gated = row_of_thread<FEW_COLUMNS>(part.gated + start, x, k, COLUMNS);
        }
        for (uint c = 0; c < COLUMNS; ++c) {
            finish(results + ulong(c) * part.rows + part.first, total(sums, c), total(sums_of_gated, c));
        }
        return;
    }

    if (STAGED && can_be_staged) {
        device float* floats_out = reinterpret_cast<device float*>(out);
        if (COLUMNS == 1) {
            Staged<W, false>::multiply_rows(
                w, second, third, as_floats, norm, floats_out, params, memory, group, groups.y, index, simd_groups, simd_group, lane);
        } else {
            Staged<W, true>::multiply_rows(
                w, second, third, as_floats, norm, floats_out, params, memory, group, groups.y, index, simd_groups, simd_group, lane);
        }
        return;
    }

    const Rows<W> rows = rows_of(part, k);
    const uint last_column = params.columns - 1;
    float squares = 0.0f;
    float sums[SUMS] = {};
    if (params.aligned) {
        add_rows<W, true>(sums, squares, rows, x, norm, k, last_column, index, simd_groups * 32);
    } else {
        add_rows<W, false>(sums, squares, rows, x, norm, k, last_column, index, simd_groups * 32);
    }
    // What is left of a row is less than a thread's share.
    const uint last = k / WIDE * WIDE + index;
    if (format<W>::dense && last < k) {
#pragma unroll
        for (uint c = 0; c < COLUMNS; ++c) {
            float from_x = float(x[ulong(min(c, last_column)) * k + last]);
            if (FUSED & NORM) {
                squares += from_x * from_x;
                from_x *= norm[last];
            }
#pragma unroll
            for (uint r = 0; r < rows_together(); ++r) {
                sums[r * sums_of_row() + c] += value(rows.row[r], last) * from_x;
            }
        }
    }

    add_lanes(sums, memory + simd_group * SUMS, lane);
    const float scale = norm_scale(squares, memory + simd_groups * SUMS, params, simd_groups, simd_group, lane);
    const uint r = index / sums_of_row();
    const uint c = index % sums_of_row();
    if (r < rows_of_matrix() && c < params.columns && part.first + r < part.rows) {
        float product = 0.0f;
        float product_of_gated = 0.0f;
        for (uint group = 0; group < simd_groups; ++group) {
            threadgroup const float* of_group = memory + group * SUMS;
            product += of_group[r * sums_of_row() + c];
            if (FUSED & GATE) {
                product_of_gated += of_group[(r + rows_of_matrix()) * sums_of_row() + c];
            }
        }
        finish(results + ulong(c) * part.rows + part.first + r, scale * product, scale * product_of_gated);
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("mul_mv_" #name "_f32")]] [[kernel]] decltype(mul_mv<type, float>) mul_mv<type, float>;
METTLE_FORMATS(INSTANTIATE)

#ifdef METTLE_AFFINE
template [[host_name("mul_mv_affine_bf16")]] [[kernel]] decltype(mul_mv<uint, bfloat>) mul_mv<uint, bfloat>;
#else
template [[host_name("mul_mv_f16_f16")]] [[kernel]] decltype(mul_mv<half, half>) mul_mv<half, half>;
#endif
