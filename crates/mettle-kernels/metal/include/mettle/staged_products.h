// Products of a matrix with a few vectors whose weights go through threadgroup memory and meet the digits of x there.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>
#include <mettle/group.h>
#include <mettle/launches.h>
#include <mettle/mul_mv.h>
#include <mettle/staged.h>

namespace mettle_kernels {

// The batch that a SIMD group fetches next: batch `batch` of a unit from block `block` on. In windows of as many chunks as have digits
// at a time, from block `first` on, it takes of each of its units the blocks of its slice.
struct Ahead {
    device const uchar* from;  // what the lane copies of the first row
    uint last_row;             // of the unit that there is
    uint first;
    uint unit;
    uint block;
    uint batch;
};

// The way of a SIMD group through the units of its threadgroup. What is said of rows is in blocks.
struct Way {
    uint first_unit;    // its own
    uint last_unit;     // behind the last one of the threadgroup
    uint side_by_side;  // units that the threadgroup has at a time
    uint window;        // of a row that there are digits for
    uint begin;         // of its slice in a window
    uint stride;        // from one chunk of its slice to the next
    uint blocks;        // of a row
};

// Where the values lie that a thread makes digits of at a time: half `half_of_sixteen` of sixteen of column c, from `value` on, if they
// are `there`. Their digits are `to` words behind the first of the column.
struct Place {
    uint c;
    uint half_of_sixteen;
    uint to;
    uint value;
    bool there;
};

// What tells whether one of a SIMD group's values is hot: larger than all others of a few together.
struct Hot {
    float largest;
    float all;
    bool found;  // with several columns, whether one of those before was
};

// A step of columns times rows of weights, through threadgroup memory. A threadgroup makes the digits of all columns, as many chunks at
// a time as there is room for, and has an equal part of all units: `count` rows of a matrix, and as many of the gated one, which a SIMD
// group takes together. Where SIMD groups would be left without a unit, several share one, each with a slice of its chunks. All
// products meet in threadgroup memory in the end.
template <typename W, bool SEVERAL_COLUMNS, bool WHOLE_NUMBERS = format<W>::whole_numbers>
struct Staged {
    static constant constexpr uint PARTS = PartsOfLane<W, SEVERAL_COLUMNS>::value;
    static constant constexpr uint MOST_COLUMNS = SEVERAL_COLUMNS ? MAX_COLUMNS : 1;
    typedef Chunk<W, PARTS> chunk;
    typedef Share<W, PARTS> share;
    typedef format<W> weights;

    static constant constexpr uint rows_of_unit = chunk::rows_of_turn;
    static constant constexpr uint SPAN = SpanOfParts<W, PARTS, SEVERAL_COLUMNS>::value;

    // In how many batches the rows are fetched: those of one matrix, and all.
    static constant constexpr uint batches_of_matrix = rows_of_unit / chunk::rows;
    static METAL_FUNC uint batches() { return FUSED & GATE ? 2 * batches_of_matrix : batches_of_matrix; }

    // Looks up where the unit's rows lie.
    static METAL_FUNC void begin_unit(
        thread Ahead& ahead, thread const Way& way, device const W* w, device const W* second, device const W* third,
        constant Params& params, uint lane)
    {
        const Part<W> part = part_of(w, second, third, params, ahead.unit);
        device const W* row = part.w + ulong(part.first) * way.blocks + ahead.block;
        ahead.from = reinterpret_cast<device const uchar*>(row) + lane * sizeof(typename chunk::vector);
        ahead.last_row = part.rows - 1 - part.first;
    }

    // Starts to copy the next batch, if there is one, as the lane's next group of copies.
    static METAL_FUNC void fetch_next(
        thread Ahead& ahead, thread const Way& way, threadgroup uint4* staged, device const W* w, device const W* second,
        device const W* third, constant Params& params, uint lane)
    {
        if (ahead.unit < way.last_unit && ahead.block < way.blocks) {
            device const uchar* from = ahead.from;
            if (FUSED & GATE && ahead.batch >= batches_of_matrix) {
                from += reinterpret_cast<device const uchar*>(second) - reinterpret_cast<device const uchar*>(w);
            }
            const uint row = ahead.batch % batches_of_matrix * chunk::rows;
            const uint bytes = (way.blocks - ahead.block) * sizeof(W);
            fetch<W, PARTS>(staged, from, row, ahead.last_row, way.blocks * sizeof(W), bytes, lane);
            ahead.batch += 1;
            if (ahead.batch == batches()) {
                ahead.batch = 0;
                ahead.block += way.stride;
                ahead.from += way.stride * sizeof(W);
                if (ahead.block >= min(ahead.first + way.window, way.blocks)) {
                    ahead.unit += way.side_by_side;
                    if (ahead.unit >= way.last_unit) {
                        ahead.unit = way.first_unit;
                        ahead.first += way.window;
                    }
                    ahead.block = ahead.first + way.begin;
                    begin_unit(ahead, way, w, second, third, params, lane);
                }
            }
        }
        close_copies();
    }

    // Rows of a unit that have products.
    static METAL_FUNC uint products_of_unit() { return FUSED & GATE ? 2 * rows_of_unit : rows_of_unit; }

    // Whether a value is larger than all others of the SIMD group together. Zeros have nothing left out, whatever their step is.
    static METAL_FUNC bool is_hot(float largest, float all)
    {
        const float total = simd_sum(all);
        return total != 0.0f && 2.0f * simd_max(largest) > total;
    }

    // Turns in which all threads together make the digits of a column: each makes those of half a sixteen.
    static METAL_FUNC uint turns_of_column(constant Params& params) { return params.chunks * 32 * PARTS * 2; }

    // The place of a thread's turn `j`.
    static METAL_FUNC Place place_of(uint j, uint first, constant Params& params)
    {
        const uint c = COLUMNS > 1 ? j / turns_of_column(params) : 0;
        const uint i = (j - c * turns_of_column(params)) / 2;
        const uint of_lane = i / PARTS;
        const uint b = i % PARTS / share::parts;
        const uint at = i / (32 * PARTS) * chunk::blocks + share::block(of_lane % 32, b);
        const uint part = share::part(of_lane % 32, i % share::parts);
        return Place{c, j % 2, of_lane * chunk::stride + i % PARTS * DIGIT_WORDS,
                     (first + at) * weights::values + part * WIDE + j % 2 * 8, first + at < params.k / weights::values};
    }

    // What values at a place are multiplied with on their way.
    static METAL_FUNC Eight factors_of(device const float* norm, Place place)
    {
        return FUSED & NORM && place.there ? load_eight(norm + place.value) : Eight{};
    }

    // Puts the digits of columns from block `first` on into `to`, or those of what these leave out. `factors` are those of the
    // thread's first values.
    static METAL_FUNC Hot make_digits_of_window(
        threadgroup float* to, thread float& squares, device const float* x, device const float* norm, Eight factors, uint first,
        constant Params& params, bool of_left_out, uint index, uint threads)
    {
        const uint columns = COLUMNS > 1 ? params.columns : 1;
        Hot hot = {0.0f, 0.0f, false};
        for (uint j = index; j < columns * turns_of_column(params); j += threads) {
            const Place place = place_of(j, first, params);
            Eight values = {};
            if (place.there) {
                values = load_eight(x + ulong(place.c) * params.k + place.value);
                if (FUSED & NORM) {
                    squares += dot(values, values);
                    values = values * (j == index ? factors : factors_of(norm, place));
                }
            }
            if (of_left_out) {
                values = left_out_by_digits<SPAN>(values);
            }
            const float largest =
                make_digits<weights, SPAN>(to + place.c * params.chunks * chunk::digits + place.to, values, place.half_of_sixteen);
            hot.largest = fmax(hot.largest, largest);
            hot.all += sum_of_absolutes(values);
            if (COLUMNS > 1) {
                // The next ones may be of another column.
                hot = Hot{0.0f, 0.0f, hot.found || is_hot(hot.largest, hot.all)};
            }
        }
        return hot;
    }

    // Where result `i` of those of a threadgroup goes in out, from unit `first_unit` on; NOWHERE if there is none.
    static constant constexpr uint NOWHERE = ~0u;
    static METAL_FUNC uint place_of_result(
        uint i, device const W* w, uint first_unit, uint own_units, constant Params& params)
    {
        const uint u = i / rows_of_unit;
        const uint c = u / own_units;
        if (c >= params.columns) {
            return NOWHERE;
        }
        const Part<W> part = part_of(w, w, w, params, first_unit + u % own_units);
        const uint row = part.first + i % rows_of_unit;
        return row < part.rows ? part.place + c * part.rows + row : NOWHERE;
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
        threadgroup uint4* staged = staged_of_groups + simd_group * STAGES * chunk::slots_of_batch;
        threadgroup float* products =
            reinterpret_cast<threadgroup float*>(staged_of_groups + simd_groups * STAGES * chunk::slots_of_batch);

        const ulong all = units(params);
        const uint first_unit = all * group / groups;
        const uint last_unit = all * (group + 1) / groups;
        const uint own_units = last_unit - first_unit;
        const uint slices = params.slices;
        const uint slice = simd_group % slices;
        const Way way = {first_unit + simd_group / slices, last_unit, simd_groups / slices, params.chunks * chunk::blocks,
                         slice * chunk::blocks, slices * chunk::blocks, blocks};
        Ahead ahead = {nullptr, 0, 0, way.first_unit, way.begin, 0};
        begin_unit(ahead, way, w, second, third, params, lane);
#pragma unroll
        for (uint s = 0; s < STAGES; ++s) {
            fetch_next(ahead, way, staged + s * chunk::slots_of_batch, w, second, third, params, lane);
        }
        uint stage = 0;
        // Looked up while weights are on their way: what digits are first made of and where the thread's first result goes. Then, while
        // digits are made and multiplied, what the latter is added to comes in.
        Eight factors = factors_of(norm, place_of(index, 0, params));
        const uint first_place = place_of_result(index, w, first_unit, own_units, params);
        x = wait_for_launches(x);
        out = wait_for_launches(out);
        const float first_there = FUSED & ADD && first_place != NOWHERE ? out[first_place] : 0.0f;
        for (uint first = 0; first < blocks; first += way.window) {
            const uint end = min(first + way.window, blocks);
            // Once more with what the digits leave out, if a value of them is hot.
            bool of_left_out = false;
            do {
                if (first > 0 || of_left_out) {
                    factors = factors_of(norm, place_of(index, first, params));
                }
                float squares = 0.0f;
                const Hot hot = make_digits_of_window(
                    digits, squares, x, norm, factors, first, params, of_left_out, index, simd_groups * 32);
                threadgroup_barrier(mem_flags::mem_threadgroup);
                // Nobody waits for these, unlike for digits.
                const bool one_is_hot = COLUMNS > 1 ? hot.found : is_hot(hot.largest, hot.all);
                squares = FUSED & NORM ? simd_sum(squares) : 0.0f;
                if (lane == 0) {
                    hot_of_group[simd_group] = one_is_hot ? 1.0f : 0.0f;
                    if (FUSED & NORM && !of_left_out) {
                        squares_of_group[simd_group] = first == 0 ? squares : squares_of_group[simd_group] + squares;
                    }
                }
                for (uint unit = way.first_unit; unit < last_unit; unit += way.side_by_side) {
                    float sums[MOST_COLUMNS * MOST_ROWS] = {};
                    for (uint block = first + way.begin; block < end; block += way.stride) {
#pragma unroll
                        for (uint batch = 0; batch < batches(); ++batch) {
                            threadgroup uint4* at = staged + stage * chunk::slots_of_batch;
                            wait_for_copies<STAGES - 1>();
                            simdgroup_barrier(mem_flags::mem_threadgroup);
                            multiply<W, PARTS, SPAN, MOST_ROWS>(
                                sums + batch * chunk::rows, at, digits + (block - first) / chunk::blocks * chunk::digits, column,
                                COLUMNS, params.columns - 1, blocks - block, lane);
                            // All have read what the next copies replace.
                            simdgroup_barrier(mem_flags::mem_threadgroup);
                            fetch_next(ahead, way, at, w, second, third, params, lane);
                            stage = (stage + 1) % STAGES;
                        }
                    }
#pragma unroll
                    for (uint c = 0; c < COLUMNS; ++c) {
                        thread float* of_column = sums + c * MOST_ROWS;
                        const ushort lanes = FUSED & GATE ? 32 / MOST_ROWS : 32 / rows_of_unit;
                        const float product =
                            FUSED & GATE ? sum_each<MOST_ROWS>(of_column, lane) : sum_each<rows_of_unit>(of_column, lane);
                        const uint row = (c * own_units + unit - first_unit) * products_of_unit() + lane / lanes;
                        if (lane % lanes == 0 && c < params.columns) {
                            const bool is_first = first == 0 && !of_left_out;
                            products[row * slices + slice] = is_first ? product : products[row * slices + slice] + product;
                        }
                    }
                }
                // All have read the digits and written their products.
                threadgroup_barrier(mem_flags::mem_threadgroup);
                const bool again = !of_left_out && simd_any(lane < simd_groups && hot_of_group[lane] != 0.0f);
                if (again) {
                    // The same blocks once more: what comes behind them was fetched too early.
                    wait_for_copies<0>();
                    simdgroup_barrier(mem_flags::mem_threadgroup);
                    ahead.first = first;
                    ahead.unit = way.first_unit;
                    ahead.block = first + way.begin;
                    ahead.batch = 0;
                    begin_unit(ahead, way, w, second, third, params, lane);
                    for (uint s = 0; s < STAGES; ++s) {
                        threadgroup uint4* at = staged + stage * chunk::slots_of_batch;
                        stage = (stage + 1) % STAGES;
                        fetch_next(ahead, way, at, w, second, third, params, lane);
                    }
                }
                of_left_out = again;
            } while (of_left_out);
        }

        const float scale = FUSED & NORM ? scale_of_groups(squares_of_group, params, simd_groups, lane) : 1.0f;
        for (uint i = index; i < params.columns * own_units * rows_of_unit; i += simd_groups * 32) {
            const uint place = i == index ? first_place : place_of_result(i, w, first_unit, own_units, params);
            if (place != NOWHERE) {
                threadgroup const float* of_row =
                    products + (i / rows_of_unit * products_of_unit() + i % rows_of_unit) * slices;
                float product = 0.0f;
                float product_of_gated = 0.0f;
                for (uint s = 0; s < slices; ++s) {
                    product += of_row[s];
                    product_of_gated += FUSED & GATE ? of_row[rows_of_unit * slices + s] : 0.0f;
                }
                const float there = FUSED & ADD ? (i == index ? first_there : out[place]) : 0.0f;
                out[place] = result_of(scale * product, scale * product_of_gated, there);
            }
        }
    }
};

// Weights that are no whole numbers have no products with digits.
template <typename W, bool SEVERAL_COLUMNS>
struct Staged<W, SEVERAL_COLUMNS, false> {
    static METAL_FUNC void multiply_rows(
        device const W*, device const W*, device const W*, device const float*, device const float*, device float*,
        constant Params&, threadgroup float*, uint, uint, uint, uint, uint, uint)
    {
    }
};

}  // namespace mettle_kernels
