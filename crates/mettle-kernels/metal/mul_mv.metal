// Matrix times a few vectors: every weight is read and decoded once for all columns.

#include <metal_stdlib>
#include <mettle/formats.h>
#include <mettle/group.h>
#include <mettle/launches.h>
#include <mettle/row_of_thread.h>
#include <mettle/rows_by_digits.h>
#include <mettle/silu.h>
#include <mettle/staged.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a row by itself (CPU) instead of a threadgroup a few rows together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// The columns that are taken together: 1 to 4 with ROW_PER_THREAD, else a power of two up to MAX_COLUMNS. Params::columns of them count.
constant uint COLUMNS [[function_constant(1)]];

// Blocks of weights go through threadgroup memory: for GPUs that have plenty of it. Not with ROW_PER_THREAD, not what is not
// aligned, nor weights that are no whole numbers.
constant bool STAGED [[function_constant(2)]];

// What is done beside the product, of the values below.
constant uint FUSED [[function_constant(3)]];

// x is normalised on its way: out is of rms_norm(x), see rms_norm.metal. For one column, and not with ROW_PER_THREAD.
constant constexpr uint NORM = 1;
// The product is added to what is in out.
constant constexpr uint ADD = 2;
// There are two matrices of weights, and out is silu(product with the first) * product with the second.
constant constexpr uint GATE = 4;
// There are three matrices of weights, and out has the products with them one after the other. For one column; not with ADD
// or GATE.
constant constexpr uint THREE = 8;
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

#pragma mettle early(mul_mv_*, w, second, third)

constant constexpr uint MAX_COLUMNS = 16;

// Up to so many columns, four rows are taken together, or as many as are on their way; of more, half as many.
constant constexpr uint FEW_COLUMNS = 4;

struct Params {
    uint rows;  // n, the rows of the weights
    uint rows_of_others;  // THREE: the rows of the second matrix, and of the third
    uint k;     // the columns of the weights: whole blocks of a quantised format
    uint aligned;  // whether x, norm and dense weights may be read sixteen bytes at a time, from row starts on; always with STAGED
    float eps;  // of the norm
    uint chunks;  // STAGED: chunks of x whose digits there is room for, a multiple of `slices` if not all
    uint count;   // rows of a threadgroup, with STAGED of a unit, or of a thread by itself
    uint slices;  // STAGED: SIMD groups that share a unit
    uint experts;  // matrices that w consists of, and `second` with a gate, where each column has one of its own; else 0
    uint sharers;  // with experts: how many columns in a row have the same row of x
    uint columns;  // of a step, up to COLUMNS
};

// Writes a result: the product with the weights, and that with the weights of the gated values.
template <typename X>
METAL_FUNC void finish(device X* out, float product, float gated)
{
    const float result = FUSED & GATE ? silu(product) * gated : product;
    *out = X(FUSED & ADD ? float(*out) + result : result);
}

// Sixteen values of x, times those of the norm's weights. To `squares` their squares are added, if they are `new_ones`.
template <bool ALIGNED, typename X>
METAL_FUNC wide load_values(device const X* x, device const float* norm, thread float& squares, bool new_ones)
{
    const wide values = ALIGNED ? load_aligned(x) : load(x);
    if (!(FUSED & NORM)) {
        return values;
    }
    squares += new_ones ? dot(values, values) : 0.0f;
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

// What a threadgroup, a SIMD group or a thread by itself multiplies: some rows of a matrix.
template <typename W, typename X>
struct Part {
    device const W* w;
    device const W* gated;
    device X* out;
    uint rows;   // of the matrix
    uint first;  // its first row
};

// How many parts of `count` rows there are.
METAL_FUNC uint units(constant Params& params)
{
    const uint of_first = (params.rows + params.count - 1) / params.count;
    return of_first + (FUSED & THREE ? 2 * ((params.rows_of_others + params.count - 1) / params.count) : 0);
}

// Part `group` of them. Of three matrices, each has parts of its own.
template <typename W, typename X>
METAL_FUNC Part<W, X> part_of(
    device const W* w, device const W* second, device const W* third, device X* out, constant Params& params, uint group)
{
    const uint count = params.count;
    Part<W, X> part = {w, second, out, params.rows, group * count};
    const uint of_first = (params.rows + count - 1) / count;
    if (FUSED & THREE && group >= of_first) {
        const uint of_second = (params.rows_of_others + count - 1) / count;
        const bool is_third = group - of_first >= of_second;
        part.w = is_third ? third : second;
        part.out += params.rows + (is_third ? params.rows_of_others : 0);
        part.rows = params.rows_of_others;
        part.first = (group - of_first - (is_third ? of_second : 0)) * count;
    }
    return part;
}

// The first rows of a part: with a gate half of them are of w, and the same ones of gated. Beyond the last row it is taken
// again.
template <typename W, typename X>
METAL_FUNC Rows<W> rows_of(thread const Part<W, X>& part, uint k)
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
            const wide from_x = load_values<ALIGNED>(x + column + first, norm + first, squares, true);
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
    const float all = simd_sum(lane < simd_groups ? memory[lane] : 0.0f);
    return 1.0f / sqrt(all / float(params.k) + params.eps);
}

// A step of columns times rows of weights, through threadgroup memory. A threadgroup makes the digits of all columns, as many chunks at
// a time as there is room for, and has an equal part of all units: `count` rows of a matrix, and as many of the gated one, which a SIMD
// group takes together. Where SIMD groups would be left without a unit, several share one, each with a slice of its chunks. All
// products meet in threadgroup memory in the end.
template <typename W, uint PARTS, uint MOST_COLUMNS, bool WHOLE_NUMBERS = format<W>::whole_numbers>
struct Staged {
    typedef Chunk<W, PARTS> chunk;
    typedef Share<W, PARTS> share;
    typedef format<W> weights;

    static constant constexpr uint rows_of_unit = chunk::rows_of_turn;

    // In how many batches the rows are fetched: those of one matrix, and all.
    static constant constexpr uint batches_of_matrix = rows_of_unit / chunk::rows;
    static METAL_FUNC uint batches() { return FUSED & GATE ? 2 * batches_of_matrix : batches_of_matrix; }

    // Rows of a unit that have products.
    static METAL_FUNC uint products_of_unit() { return FUSED & GATE ? 2 * rows_of_unit : rows_of_unit; }

    // Whether a value is larger than all others of the SIMD group together. Zeros have nothing left out, whatever their step is.
    static METAL_FUNC bool is_hot(float largest, float all)
    {
        const float total = simd_sum(all);
        return total != 0.0f && 2.0f * simd_max(largest) > total;
    }

    // Puts the digits of columns from block `first` on into `to`, or those of what these leave out. Gives whether one of the
    // SIMD group's values is larger than all others of a few together.
    static METAL_FUNC bool make_digits(
        threadgroup float* to, thread float& squares, device const float* x, device const float* norm, uint first,
        constant Params& params, bool of_left_out, bool new_ones, uint index, uint threads)
    {
        const uint left = params.k / weights::values - first;
        const uint of_column = params.chunks * 32 * PARTS;
        const uint columns = COLUMNS > 1 ? params.columns : 1;
        bool one_is_hot = false;
        float largest = 0.0f;
        float all = 0.0f;
        for (uint j = index; j < columns * of_column; j += threads) {
            const uint c = COLUMNS > 1 ? j / of_column : 0;
            const uint i = j - c * of_column;
            const uint of_lane = i / PARTS;
            const uint b = i % PARTS / share::parts;
            const uint at = i / (32 * PARTS) * chunk::blocks + share::block(of_lane % 32, b);
            wide values = splat(0.0f);
            if (at < left) {
                const uint part = share::part(of_lane % 32, i % share::parts);
                const uint place = (first + at) * weights::values + part * WIDE;
                values = load_values<true>(x + ulong(c) * params.k + place, norm + place, squares, new_ones);
            }
            if (of_left_out) {
                values = left_out_by_digits(values);
            }
            const Digits digits = digits_of<weights>(values);
            store_digits<weights>(
                to + c * params.chunks * chunk::digits + of_lane * chunk::stride + i % PARTS * DIGIT_WORDS, digits);
            largest = fmax(largest, largest_of(digits));
            all += sum_of_absolutes(values);
            if (COLUMNS > 1) {
                // The next ones may be of another column.
                one_is_hot = one_is_hot || is_hot(largest, all);
                largest = 0.0f;
                all = 0.0f;
            }
        }
        return COLUMNS > 1 ? one_is_hot : is_hot(largest, all);
    }

    // Threadgroup `group` of `groups`.
    static METAL_FUNC void multiply_rows(
        device const W* w, device const W* second, device const W* third, device const float* x, device const float* norm,
        device float* out, constant Params& params, threadgroup float* memory, uint group, uint groups, uint index,
        uint simd_groups, uint simd_group, uint lane)
    {
        constexpr uint MOST_ROWS = 2 * rows_of_unit;
        const uint blocks = params.k / weights::values;
        const uint column = params.chunks * chunk::digits;
        threadgroup float* squares_of_group = memory;
        threadgroup float* hot_of_group = memory + MAX_SIMD_GROUPS;
        threadgroup float* digits = memory + 2 * MAX_SIMD_GROUPS;
        threadgroup uint4* staged_of_groups = reinterpret_cast<threadgroup uint4*>(digits + params.columns * column);
        threadgroup uint4* staged = staged_of_groups + simd_group * chunk::rows * chunk::slots;
        threadgroup float* products =
            reinterpret_cast<threadgroup float*>(staged_of_groups + simd_groups * chunk::rows * chunk::slots);

        const ulong all = units(params);
        const uint first_unit = all * group / groups;
        const uint last_unit = all * (group + 1) / groups;
        const uint own_units = last_unit - first_unit;
        const uint slices = params.slices;
        const uint slice = simd_group % slices;
        const uint side_by_side = simd_groups / slices;
        const uint begin = slice * chunk::blocks;
        const uint stride = slices * chunk::blocks;

        uint unit = first_unit + simd_group / slices;
        Part<W, float> part = part_of(w, second, third, out, params, min(unit, last_unit - 1));
        typename chunk::vector held[chunk::held];
        if (unit < last_unit) {
            fetch<W, PARTS>(held, part.w, part.first, part.rows - 1, begin, blocks, lane);
        }
        x = wait_for_launches(x);
        norm = wait_for_launches(norm);
        out = wait_for_launches(out);
        float squares = 0.0f;
        float scale = 1.0f;
        // Of which blocks there are digits, whether of what those before left out, and whether a value of them is hot.
        uint made = blocks;
        bool made_again = false;
        bool hot = false;
        const uint turns = (own_units + side_by_side - 1) / side_by_side;
        for (uint turn = 0; turn < turns; ++turn) {
            float sums[MOST_COLUMNS * MOST_ROWS] = {};
            bool again = false;
            for (uint first = 0; first < blocks;) {
                const uint end = min(first + params.chunks * chunk::blocks, blocks);
                if (first != made || again != made_again) {
                    // All have read what is replaced.
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                    const bool one_is_hot = make_digits(
                        digits, squares, x, norm, first, params, again, turn == 0 && !again, index, simd_groups * 32);
                    if (lane == 0) {
                        hot_of_group[simd_group] = one_is_hot ? 1.0f : 0.0f;
                    }
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                    hot = simd_any(lane < simd_groups && hot_of_group[lane] != 0.0f);
                    made = first;
                    made_again = again;
                }
                again = hot && !again;
                for (uint block = first + begin; block < end && unit < last_unit; block += stride) {
#pragma unroll
                    for (uint batch = 0; batch < batches(); ++batch) {
                        // All have read what the next stores replace.
                        simdgroup_barrier(mem_flags::mem_threadgroup);
                        put<W, PARTS>(held, staged, lane);
                        simdgroup_barrier(mem_flags::mem_threadgroup);
                        uint next = block;
                        uint next_row = part.first + (batch + 1) % batches_of_matrix * chunk::rows;
                        Part<W, float> next_part = part;
                        if (batch + 1 == batches()) {
                            next += stride;
                            if (next >= end) {
                                next = (again ? first : end) + begin;
                            }
                            if (next >= blocks && unit + side_by_side < last_unit) {
                                next = begin;
                                next_part = part_of(w, second, third, out, params, unit + side_by_side);
                                next_row = next_part.first;
                            }
                        }
                        if (next < blocks) {
                            const bool of_w = (batch + 1) % batches() < batches_of_matrix;
                            fetch<W, PARTS>(
                                held, of_w ? next_part.w : next_part.gated, next_row, next_part.rows - 1, next, blocks, lane);
                        }
                        multiply<W, PARTS, MOST_ROWS>(
                            sums + batch * chunk::rows, staged, digits + (block - first) / chunk::blocks * chunk::digits,
                            column, COLUMNS, params.columns - 1, blocks - block, lane);
                        part = next_part;
                    }
                }
                first = again ? first : end;
            }

            if (FUSED & NORM && turn == 0) {
                scale = norm_scale(squares, squares_of_group, params, simd_groups, simd_group, lane);
            }
            if (unit < last_unit) {
#pragma unroll
                for (uint c = 0; c < COLUMNS; ++c) {
                    thread float* of_column = sums + c * MOST_ROWS;
                    const ushort lanes = FUSED & GATE ? 32 / MOST_ROWS : 32 / rows_of_unit;
                    const float product =
                        FUSED & GATE ? sum_each<MOST_ROWS>(of_column, lane) : sum_each<rows_of_unit>(of_column, lane);
                    const uint row = (c * own_units + unit - first_unit) * products_of_unit() + lane / lanes;
                    if (lane % lanes == 0 && c < params.columns) {
                        products[row * slices + slice] = product;
                    }
                }
            }
            unit += side_by_side;
        }

        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint i = index; i < params.columns * own_units * rows_of_unit; i += simd_groups * 32) {
            const uint r = i % rows_of_unit;
            const uint u = i / rows_of_unit;
            const uint c = u / own_units;
            const Part<W, float> of_unit = part_of(w, second, third, out, params, first_unit + u % own_units);
            const uint row = of_unit.first + r;
            if (row < of_unit.rows) {
                threadgroup const float* of_row = products + (u * products_of_unit() + r) * slices;
                float product = 0.0f;
                float product_of_gated = 0.0f;
                for (uint s = 0; s < slices; ++s) {
                    product += of_row[s];
                    product_of_gated += FUSED & GATE ? of_row[rows_of_unit * slices + s] : 0.0f;
                }
                finish(of_unit.out + ulong(c) * of_unit.rows + row, scale * product, scale * product_of_gated);
            }
        }
    }
};

// Weights that are no whole numbers have no products with digits.
template <typename W, uint PARTS, uint MOST_COLUMNS>
struct Staged<W, PARTS, MOST_COLUMNS, false> {
    static METAL_FUNC void multiply_rows(
        device const W*, device const W*, device const W*, device const float*, device const float*, device float*,
        constant Params&, threadgroup float*, uint, uint, uint, uint, uint, uint)
    {
    }
};

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
// `memory` of a thread that multiplies by digits holds 2 * `most_units` times `words` of `ByDigits`; that of others of
// ROW_PER_THREAD nothing. `memory` of threadgroups holds SUMS + 1 floats of each SIMD group or, with STAGED, 2 * MAX_SIMD_GROUPS
// floats, `chunks` chunks of digits of each column, the rows that each SIMD group has on their way, both as `Chunk` lays them out,
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
    const Part<W, X> part = part_of(w, second, third, out, params, group);
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
                finish(part.out + part.first + r, sums[at], sums[at + (FUSED & GATE ? 1 : 0)]);
            }
            return;
        }
        const Sums<FEW_COLUMNS> sums = row_of_thread<FEW_COLUMNS>(part.w + start, x, k, COLUMNS);
        Sums<FEW_COLUMNS> sums_of_gated = {};
        if (FUSED & GATE) {
            sums_of_gated = row_of_thread<FEW_COLUMNS>(part.gated + start, x, k, COLUMNS);
        }
        for (uint c = 0; c < COLUMNS; ++c) {
            finish(part.out + ulong(c) * part.rows + part.first, total(sums, c), total(sums_of_gated, c));
        }
        return;
    }

    if (STAGED && can_be_staged) {
        device float* results = reinterpret_cast<device float*>(out);
        if (COLUMNS == 1) {
            Staged<W, PartsOfLane<W, false>::value, 1>::multiply_rows(
                w, second, third, as_floats, norm, results, params, memory, group, groups.y, index, simd_groups, simd_group, lane);
        } else {
            Staged<W, PartsOfLane<W, true>::value, MAX_COLUMNS>::multiply_rows(
                w, second, third, as_floats, norm, results, params, memory, group, groups.y, index, simd_groups, simd_group, lane);
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
        finish(part.out + ulong(c) * part.rows + part.first + r, scale * product, scale * product_of_gated);
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
