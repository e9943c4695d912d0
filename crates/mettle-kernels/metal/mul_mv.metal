// Matrix times a few vectors: every weight is read and decoded once for all columns.

#include <metal_stdlib>
#include <mettle/formats.h>

using namespace metal;
using namespace mettle_kernels;

// One thread computes a row by itself (CPU) instead of a SIMD group together (GPU).
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

// out[c, row] = sum over i of w[row, i] * x[c, i], in f32; w is [rows, k], x is [m, k], out is [m, rows]. A launch takes
// the m columns in steps of COLUMNS, which divides m.
//
// One thread (ROW_PER_THREAD) or SIMD group for each step and row: the grid is [m / COLUMNS, rows] threads, or
// [m / COLUMNS, ceil(rows / s)] threadgroups of s SIMD groups. Steps come first, so that the columns are done while the
// weights of a threadgroup's rows are at hand.
template <typename W>
kernel void mul_mv(
    device const W*     w      [[buffer(0)]],
    device const float* x      [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  simd_groups     [[simdgroups_per_threadgroup]],
    uint  simd_group      [[simdgroup_index_in_threadgroup]],
    uint  lane            [[thread_index_in_simdgroup]])
{
    constexpr uint values = format<W>::values;
    constexpr uint parts = values / WIDE;

    const uint step = ROW_PER_THREAD ? thread_position.x : group_position.x;
    const uint row = ROW_PER_THREAD ? thread_position.y : group_position.y * simd_groups + simd_group;
    if (row >= params.rows) {
        return;
    }
    const uint k = params.k;
    w += ulong(row) * row_stride<W>(k);
    x += ulong(step) * COLUMNS * k;
    out += ulong(step) * COLUMNS * params.rows + row;

    const uint whole = k / WIDE * WIDE;
    Sums sums = {};
    if (ROW_PER_THREAD) {
        const uint blocks = k / values;
        for (uint block = 0; block < blocks; ++block) {
#pragma unroll
            for (uint part = 0; part < parts; ++part) {
                add(sums, part % CHAINS, decode(w, block, part), x + block * values + part * WIDE, k);
            }
        }
    } else {
        for (uint first = lane * WIDE; first < whole; first += 32 * WIDE) {
            add(sums, 0, decode(w, first / values, first % values / WIDE), x + first, k);
        }
    }
    if (format<W>::dense && whole < k && (ROW_PER_THREAD || lane == 0)) {
        add_tail(sums, decode_tail(w, whole, k - whole), x + whole, k, k - whole);
    }

    for (uint c = 0; c < COLUMNS; ++c) {
        const float total = sum(sums.column[c][0] + sums.column[c][1]);
        if (ROW_PER_THREAD) {
            out[ulong(c) * params.rows] = total;
        } else {
            const float group_total = simd_sum(total);
            if (lane == 0) {
                out[ulong(c) * params.rows] = group_total;
            }
        }
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("mul_mv_" #name "_f32")]] kernel decltype(mul_mv<type>) mul_mv<type>;
METTLE_FORMATS(INSTANTIATE)
