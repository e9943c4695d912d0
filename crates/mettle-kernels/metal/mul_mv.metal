// Matrix times a few vectors: every weight is read and decoded once for all columns.

#include <metal_stdlib>
#include <mettle/formats.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a row by itself (CPU) instead of a threadgroup a few rows together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// The number of columns, 1 to MAX_COLUMNS.
constant uint COLUMNS [[function_constant(1)]];

#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 1)
#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 2)
#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 3)
#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 4)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 1)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 2)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 3)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 4)

constant constexpr uint MAX_COLUMNS = 4;

struct Params {
    uint rows;  // n, the rows of the weights
    uint k;     // the columns of the weights: whole blocks of a quantised format
    uint aligned;  // whether x, and dense weights, may be read sixteen bytes at a time: each row starts at a multiple
};

// Sixteens of a row that are added up apart, so that no addition waits for the one before it.
constant constexpr uint CHAINS = 2;

// Partial sums of a row of weights times each column.
struct Sums {
    wide column[MAX_COLUMNS][CHAINS];
};

// Adds sixteen weights times x[c * k + i] for i in 0..16.
METAL_FUNC void add(thread Sums& sums, uint chain, wide weights, device const float* x, uint k)
{
    for (uint c = 0; c < COLUMNS; ++c) {
        sums.column[c][chain] = fma(weights, load(x + ulong(c) * k), sums.column[c][chain]);
    }
}

// Adds `count` < 16 weights times x[c * k + i] for i in 0..count.
METAL_FUNC void add_tail(thread Sums& sums, wide weights, device const float* x, uint k, uint count)
{
    for (uint c = 0; c < COLUMNS; ++c) {
        sums.column[c][0] = fma(weights, load_some(x + ulong(c) * k, count), sums.column[c][0]);
    }
}

// One thread: a row times a step of columns.
template <typename W>
METAL_FUNC void row_of_thread(
    device const W* w, device const float* x, device float* out, constant Params& params)
{
    constexpr uint values = format<W>::values;
    constexpr uint parts = values / WIDE;

    const uint k = params.k;
    const uint whole = k / WIDE * WIDE;
    const uint blocks = k / values;
    Sums sums = {};
    for (uint block = 0; block < blocks; ++block) {
#pragma unroll
        for (uint part = 0; part < parts; ++part) {
            add(sums, part % CHAINS, decode(w, block, part), x + block * values + part * WIDE, k);
        }
    }
    if (format<W>::dense && whole < k) {
        add_tail(sums, decode_tail(w, whole, k - whole), x + whole, k, k - whole);
    }
    for (uint c = 0; c < COLUMNS; ++c) {
        out[ulong(c) * params.rows] = sum(sums.column[c][0] + sums.column[c][1]);
    }
}

// Rows that a threadgroup computes together. Sixteen values of x are loaded once for all of them, and the weights of as
// many rows are on their way at a time.
constant constexpr uint ROWS = 4;

// SIMD groups of a threadgroup, at most.
constant constexpr uint MAX_SIMD_GROUPS = 32;

// Adds to sums[r * MAX_COLUMNS + c] what this thread has to do with rows[r] and column c: every sixteenth value of k, in
// turns with the other threads of the threadgroup.
template <typename W, bool ALIGNED>
METAL_FUNC void add_rows(
    thread float* sums, device const W* w, thread const ulong* rows, device const float* x, uint k, uint index,
    uint threads)
{
    constexpr uint values = format<W>::values;
    const uint whole = k / WIDE * WIDE;
    for (uint first = index * WIDE; first < whole; first += threads * WIDE) {
        wide columns[MAX_COLUMNS];
        for (uint c = 0; c < COLUMNS; ++c) {
            device const float* from = x + ulong(c) * k + first;
            columns[c] = ALIGNED ? load_aligned(from) : load(from);
        }
        const uint block = first / values;
        const uint part = first % values / WIDE;
#pragma unroll
        for (uint r = 0; r < ROWS; ++r) {
            device const W* row = w + rows[r];
            const wide weights = ALIGNED ? decode_aligned(row, block, part) : decode(row, block, part);
            for (uint c = 0; c < COLUMNS; ++c) {
                sums[r * MAX_COLUMNS + c] += dot(weights, columns[c]);
            }
        }
    }
}

// out[c, row] = sum over i of w[row, i] * x[c, i], in f32; w is [rows, k], x is [m, k], out is [m, rows]. A launch takes
// the m columns in steps of COLUMNS, which divides m.
//
// One thread (ROW_PER_THREAD) for each step and row, or one threadgroup of whole SIMD groups for each step and four
// rows: the grid is [m / COLUMNS, rows] threads, or [m / COLUMNS, ceil(rows / 4)] threadgroups. Steps come first, so
// that the columns are done while the weights of a threadgroup's rows are at hand.
template <typename W>
kernel void mul_mv(
    device const W*     w      [[buffer(0)]],
    device const float* x      [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  index           [[thread_index_in_threadgroup]],
    uint  simd_groups     [[simdgroups_per_threadgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  lane            [[thread_index_in_simdgroup]])
{
    threadgroup float partial[MAX_SIMD_GROUPS * ROWS * MAX_COLUMNS];

    const uint k = params.k;
    const uint step = ROW_PER_THREAD ? thread_position.x : group_position.x;
    x += ulong(step) * COLUMNS * k;
    out += ulong(step) * COLUMNS * params.rows;
    if (ROW_PER_THREAD) {
        const uint row = thread_position.y;
        row_of_thread(w + ulong(row) * row_stride<W>(k), x, out + row, params);
        return;
    }

    // Beyond the last row it is computed again, and not written.
    const uint first_row = group_position.y * ROWS;
    ulong rows[ROWS];
    for (uint r = 0; r < ROWS; ++r) {
        rows[r] = ulong(min(first_row + r, params.rows - 1)) * row_stride<W>(k);
    }
    float sums[ROWS * MAX_COLUMNS] = {};
    if (params.aligned) {
        add_rows<W, true>(sums, w, rows, x, k, index, simd_groups * 32);
    } else {
        add_rows<W, false>(sums, w, rows, x, k, index, simd_groups * 32);
    }
    const uint whole = k / WIDE * WIDE;
    if (format<W>::dense && whole < k && index == 0) {
        for (uint r = 0; r < ROWS; ++r) {
            const wide weights = decode_tail(w + rows[r], whole, k - whole);
            for (uint c = 0; c < COLUMNS; ++c) {
                sums[r * MAX_COLUMNS + c] += dot(weights, load_some(x + ulong(c) * k + whole, k - whole));
            }
        }
    }

    for (uint r = 0; r < ROWS; ++r) {
        for (uint c = 0; c < COLUMNS; ++c) {
            const float total = simd_sum(sums[r * MAX_COLUMNS + c]);
            if (lane == 0) {
                partial[(simd_group * ROWS + r) * MAX_COLUMNS + c] = total;
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint r = index / MAX_COLUMNS;
    const uint c = index % MAX_COLUMNS;
    if (r < ROWS && c < COLUMNS && first_row + r < params.rows) {
        float total = 0;
        for (uint group = 0; group < simd_groups; ++group) {
            total += partial[(group * ROWS + r) * MAX_COLUMNS + c];
        }
        out[ulong(c) * params.rows + first_row + r] = total;
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("mul_mv_" #name "_f32")]] kernel decltype(mul_mv<type>) mul_mv<type>;
METTLE_FORMATS(INSTANTIATE)
