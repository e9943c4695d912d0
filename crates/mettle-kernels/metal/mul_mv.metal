// Matrix times a few vectors: every weight is read and decoded once for all columns.

#include <metal_stdlib>
#include <mettle/formats.h>
#include <mettle/staged.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a row by itself (CPU) instead of a threadgroup a few rows together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// The number of columns, 1 to MAX_COLUMNS.
constant uint COLUMNS [[function_constant(1)]];

// Blocks of weights go through threadgroup memory: for GPUs that have plenty of it. Not with ROW_PER_THREAD, and nothing to
// dense weights.
constant bool STAGED [[function_constant(2)]];

#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 1, STAGED = false)
#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 2, STAGED = false)
#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 3, STAGED = false)
#pragma mettle variant(cpu: mul_mv_*, ROW_PER_THREAD = true, COLUMNS = 4, STAGED = false)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = false)
#pragma mettle variant(gpu: mul_mv_q*, ROW_PER_THREAD = false, COLUMNS = 1, STAGED = true)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 2, STAGED = false)
#pragma mettle variant(gpu: mul_mv_q*, ROW_PER_THREAD = false, COLUMNS = 2, STAGED = true)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 3, STAGED = false)
#pragma mettle variant(gpu: mul_mv_q*, ROW_PER_THREAD = false, COLUMNS = 3, STAGED = true)
#pragma mettle variant(gpu: mul_mv_*, ROW_PER_THREAD = false, COLUMNS = 4, STAGED = false)
#pragma mettle variant(gpu: mul_mv_q*, ROW_PER_THREAD = false, COLUMNS = 4, STAGED = true)

constant constexpr uint MAX_COLUMNS = 4;

struct Params {
    uint rows;  // n, the rows of the weights
    uint k;     // the columns of the weights: whole blocks of a quantised format
    uint aligned;  // whether x and weights that are dense or staged may be read sixteen bytes at a time, from row starts on
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
#pragma unroll
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
#pragma unroll
            for (uint c = 0; c < COLUMNS; ++c) {
                sums[r * MAX_COLUMNS + c] += dot(weights, columns[c]);
            }
        }
    }
}

// Puts a chunk of the columns, from value `first` on, into threadgroup memory as `Chunk` lays it out; zeros beyond k.
template <typename W, uint PARTS>
METAL_FUNC void stage_columns(
    threadgroup float* to, device const float* x, uint first, constant Params& params, uint index, uint threads)
{
    typedef Chunk<W, PARTS> chunk;
    constexpr uint lane_values = PARTS * WIDE;
    const uint k = params.k;
#pragma unroll
    for (uint c = 0; c < COLUMNS; ++c) {
        device const float* column = x + ulong(c) * k + first;
        for (uint i = 4 * index; i < chunk::values; i += 4 * threads) {
            // k is a multiple of four.
            float4 four = 0.0f;
            if (first + i < k) {
                four = params.aligned ? load_as<float4>(column + i, 0)
                                      : float4(column[i], column[i + 1], column[i + 2], column[i + 3]);
            }
            store_as(to + c * chunk::column + i / lane_values * chunk::stride + i % lane_values, 0, four);
        }
    }
}

// One SIMD group: four rows times a step of columns, through threadgroup memory. All of the threadgroup have the same
// columns, which lie at the beginning of it.
template <typename W, uint PARTS, bool DENSE = format<W>::dense>
struct Staged {
    static METAL_FUNC void rows(
        device const W* w, device const float* x, device float* out, constant Params& params, uint first_row,
        threadgroup float* memory, uint index, uint simd_groups, uint simd_group, uint lane)
    {
        typedef Chunk<W, PARTS> chunk;
        constexpr uint batches = STAGED_ROWS / chunk::rows;
        const uint blocks = params.k / format<W>::values;
        threadgroup uint4* staged = reinterpret_cast<threadgroup uint4*>(memory + COLUMNS * chunk::column)
            + simd_group * chunk::rows * chunk::slots;

        // Beyond the last row it is computed again, and not written.
        ulong offsets[STAGED_ROWS];
#pragma unroll
        for (uint r = 0; r < STAGED_ROWS; ++r) {
            offsets[r] = ulong(min(first_row + r, params.rows - 1)) * blocks;
        }
        typename chunk::vector held[chunk::held];
        if (params.aligned) {
            fetch<W, PARTS>(held, w, offsets, blocks * sizeof(W), lane);
        }
        float sums[STAGED_ROWS * MAX_COLUMNS] = {};
        for (uint block = 0; block < blocks; block += chunk::blocks) {
            const uint left = blocks - block;
#pragma unroll
            for (uint batch = 0; batch < batches; ++batch) {
                // All have read what the next stores replace.
                if (batch == 0) {
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                    stage_columns<W, PARTS>(memory, x, block * format<W>::values, params, index, simd_groups * 32);
                } else {
                    simdgroup_barrier(mem_flags::mem_threadgroup);
                }
                if (params.aligned) {
                    put<W, PARTS>(held, staged, lane);
                } else {
                    copy<W, PARTS>(staged, w + block, offsets + batch * chunk::rows, left * sizeof(W), lane);
                }
                if (batch == 0) {
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                } else {
                    simdgroup_barrier(mem_flags::mem_threadgroup);
                }
                if (params.aligned) {
                    if (batch + 1 < batches) {
                        fetch<W, PARTS>(held, w + block, offsets + (batch + 1) * chunk::rows, left * sizeof(W), lane);
                    } else if (left > chunk::blocks) {
                        fetch<W, PARTS>(
                            held, w + block + chunk::blocks, offsets, (left - chunk::blocks) * sizeof(W), lane);
                    }
                }
                multiply<W, PARTS, MAX_COLUMNS>(
                    sums + batch * chunk::rows * MAX_COLUMNS, staged, memory, COLUMNS, left, lane);
            }
        }
#pragma unroll
        for (uint r = 0; r < STAGED_ROWS; ++r) {
#pragma unroll
            for (uint c = 0; c < COLUMNS; ++c) {
                const float total = simd_sum(sums[r * MAX_COLUMNS + c]);
                if (lane == 0 && first_row + r < params.rows) {
                    out[ulong(c) * params.rows + first_row + r] = total;
                }
            }
        }
    }
};

// Dense weights are not staged.
template <typename W, uint PARTS>
struct Staged<W, PARTS, true> {
    static METAL_FUNC void rows(
        device const W*, device const float*, device float*, constant Params&, uint, threadgroup float*, uint, uint, uint,
        uint)
    {
    }
};

// out[c, row] = sum over i of w[row, i] * x[c, i], in f32; w is [rows, k], x is [m, k], out is [m, rows]. A launch takes
// the m columns in steps of COLUMNS, which divides m.
//
// One thread (ROW_PER_THREAD) for each step and row: the grid is [m / COLUMNS, rows] threads. Or one threadgroup of whole
// SIMD groups for each step and four rows: [m / COLUMNS, ceil(rows / 4)] threadgroups. Or (STAGED, blocks) one SIMD group
// for each step and four rows, s of them in a threadgroup: [m / COLUMNS, ceil(rows / (4 s))]. Steps come first, so that the
// columns are done while the weights of a threadgroup's rows are at hand.
//
// `memory` holds COLUMNS columns and the rows of s SIMD groups as `Chunk` lays them out, or else, for threadgroups without
// STAGED, ROWS * MAX_COLUMNS sums of each SIMD group.
//
// Registers for 512 threads leave room for several threadgroups on a compute unit.
template <typename W>
[[kernel, max_total_threads_per_threadgroup(512)]] void mul_mv(
    device const W*     w      [[buffer(0)]],
    device const float* x      [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    threadgroup float*  memory [[threadgroup(0)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  index           [[thread_index_in_threadgroup]],
    uint  simd_groups     [[simdgroups_per_threadgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  lane            [[thread_index_in_simdgroup]])
{
    const uint k = params.k;
    const uint step = ROW_PER_THREAD ? thread_position.x : group_position.x;
    x += ulong(step) * COLUMNS * k;
    out += ulong(step) * COLUMNS * params.rows;
    if (ROW_PER_THREAD) {
        const uint row = thread_position.y;
        row_of_thread(w + ulong(row) * row_stride<W>(k), x, out + row, params);
        return;
    }

    if (STAGED && !format<W>::dense) {
        const uint first_row = (group_position.y * simd_groups + simd_group) * STAGED_ROWS;
        if (COLUMNS == 1) {
            Staged<W, 4>::rows(w, x, out, params, first_row, memory, index, simd_groups, simd_group, lane);
        } else {
            Staged<W, 2>::rows(w, x, out, params, first_row, memory, index, simd_groups, simd_group, lane);
        }
        return;
    }

    // Beyond the last row it is computed again, and not written.
    const uint first_row = group_position.y * ROWS;
    ulong rows[ROWS];
#pragma unroll
    for (uint r = 0; r < ROWS; ++r) {
        rows[r] = ulong(min(first_row + r, params.rows - 1)) * row_stride<W>(k);
    }
    float sums[ROWS * MAX_COLUMNS] = {};
    if (params.aligned) {
        add_rows<W, true>(sums, w, rows, x, k, index, simd_groups * 32);
    } else {
        add_rows<W, false>(sums, w, rows, x, k, index, simd_groups * 32);
    }
    // What is left of a row is less than a thread's share.
    const uint last = k / WIDE * WIDE + index;
    if (format<W>::dense && last < k) {
#pragma unroll
        for (uint r = 0; r < ROWS; ++r) {
#pragma unroll
            for (uint c = 0; c < COLUMNS; ++c) {
                sums[r * MAX_COLUMNS + c] += value(w + rows[r], last) * x[ulong(c) * k + last];
            }
        }
    }

#pragma unroll
    for (uint r = 0; r < ROWS; ++r) {
#pragma unroll
        for (uint c = 0; c < COLUMNS; ++c) {
            const float total = simd_sum(sums[r * MAX_COLUMNS + c]);
            if (lane == 0) {
                memory[(simd_group * ROWS + r) * MAX_COLUMNS + c] = total;
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint r = index / MAX_COLUMNS;
    const uint c = index % MAX_COLUMNS;
    if (r < ROWS && c < COLUMNS && first_row + r < params.rows) {
        float total = 0;
        for (uint group = 0; group < simd_groups; ++group) {
            total += memory[(group * ROWS + r) * MAX_COLUMNS + c];
        }
        out[ulong(c) * params.rows + first_row + r] = total;
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("mul_mv_" #name "_f32")]] [[kernel]] decltype(mul_mv<type>) mul_mv<type>;
METTLE_FORMATS(INSTANTIATE)
