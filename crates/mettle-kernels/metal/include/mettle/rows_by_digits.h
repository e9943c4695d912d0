// Rows of weights times one column, by a thread that multiplies bytes.
//
// Every 32 or sixteen activations become whole numbers of 24 bits with a step in common, a power of two, each as three signed
// bytes. One instruction multiplies four of these with four bytes of weights and adds the products up, and the sums with the
// three are put together as whole numbers: nothing is rounded before the scale of the weights. Making the digits takes about as
// long as a few rows, so a thread makes them once for all of its rows.
//
// Where an activation is larger than all others of its step together, what the digits leave out of those may be more than
// rounding does elsewhere; then the digits of that are multiplied, too.
#pragma once

#include <metal_stdlib>
#include <mettle/block_units.h>
#include <mettle/formats.h>
#include <mettle/wide_words.h>

namespace mettle_kernels {

// Sixteens of a format that have a scale in common, up to two; none for formats whose rows are not multiplied by digits. Those
// that are have bytes below 128, and their sums of eight products with numbers of 24 bits fit 32.
template <typename W>
struct TogetherByDigits {
    static constant constexpr uint value = 0;
};

#define METTLE_BY_DIGITS(type, sixteens)                      \
    template <>                                               \
    struct TogetherByDigits<type> {                           \
        static constant constexpr uint value = sixteens;      \
    };
METTLE_BY_DIGITS(block_q4_0, 2)
METTLE_BY_DIGITS(block_q4_1, 2)
METTLE_BY_DIGITS(block_q5_0, 2)
METTLE_BY_DIGITS(block_q5_1, 2)
METTLE_BY_DIGITS(block_q4_K, 2)
METTLE_BY_DIGITS(block_q5_K, 2)
METTLE_BY_DIGITS(block_q2_K, 1)
METTLE_BY_DIGITS(block_q3_K, 1)
METTLE_BY_DIGITS(block_q6_K, 1)
#undef METTLE_BY_DIGITS

// Activations below this lose bits: the step of its numbers is to be a normal float.
constant constexpr float SMALLEST_WITH_NUMBERS = 1e-31f;

// Values of x whose digits a thread has at a time, at most: most rows as a whole, so that they are read one behind the other.
constant constexpr uint DIGITS_AT_A_TIME = 4096;

// How far ahead weights are asked for, at least.
constant constexpr uint BYTES_AHEAD = 4096;

// Bytes of a cache's line.
constant constexpr uint LINE = 64;

// Rows that a thread takes, at most.
constant constexpr uint ROWS_OF_THREAD = 128;

template <typename W, bool BY_DIGITS = (TogetherByDigits<W>::value > 0)>
struct ByDigits {
    static constant constexpr bool possible = true;

    typedef format<W> weights;
    // Sixteens of a cell, which has one scale.
    static constant constexpr uint together = TogetherByDigits<W>::value;
    static constant constexpr uint values = CELLS * together * WIDE;
    // Units and blocks of a group, of which one is 1.
    static constant constexpr uint units_of_group = weights::values > values ? weights::values / values : 1;
    static constant constexpr uint blocks_of_group = weights::values < values ? values / weights::values : 1;
    // Words of a unit's digits: the three of each value, what sums of products start with, or for weights with offsets the
    // sums of the numbers, and the steps, four times each.
    static constant constexpr uint starts = 3 * together * WIDE;
    static constant constexpr uint steps = starts + WIDE;
    static constant constexpr uint words = steps + WIDE;
    // Values and words of a group's digits, groups whose digits a thread has at a time, and each unit of one.
    static constant constexpr uint of_group = units_of_group * values;
    static constant constexpr uint words_of_group = units_of_group * words;
    static constant constexpr uint most_groups = DIGITS_AT_A_TIME / of_group;
    static constant constexpr uint each_unit = (1u << units_of_group) - 1;

    // Four cells' values.
    struct Values {
        wide of_cell[CELLS][together];
    };

    // The exponent bits of the steps of cells of which these are the largest values.
    static METAL_FUNC metal::uint4 step_exponents(metal::float4 largest)
    {
        // Numbers reach up to 127 * 65536 + 127 * 256 + 127, less than 2^23 by a factor of 1.004.
        return (as_type<metal::uint4>(1.005f * metal::max(largest, metal::float4(SMALLEST_WITH_NUMBERS))) >> 23) - 22u;
    }

    static METAL_FUNC metal::float4 powers_of_two(metal::uint4 exponents) { return as_type<metal::float4>(exponents << 23); }

    // Takes from values what their numbers are.
    static METAL_FUNC void leave_out(thread Values& values)
    {
        const metal::uint4 exponents = step_exponents(largest_of(values));
        const metal::float4 steps_of_cells = powers_of_two(exponents);
        const metal::float4 per_step = powers_of_two(254u - exponents);
#pragma unroll
        for (uint cell = 0; cell < CELLS; ++cell) {
#pragma unroll
            for (uint i = 0; i < together; ++i) {
                thread wide& x = values.of_cell[cell][i];
                const wide number = to_float(round_to_int(x * splat(per_step[cell])));
                x = fma(number, splat(-steps_of_cells[cell]), x);
            }
        }
    }

    static METAL_FUNC metal::float4 largest_of(thread const Values& values)
    {
        wide all[CELLS];
#pragma unroll
        for (uint cell = 0; cell < CELLS; ++cell) {
            all[cell] = absolute(values.of_cell[cell][0]);
#pragma unroll
            for (uint i = 1; i < together; ++i) {
                all[cell] = max(all[cell], absolute(values.of_cell[cell][i]));
            }
        }
        return largest_of_each(all);
    }

    static METAL_FUNC metal::float4 sums_of_absolute(thread const Values& values)
    {
        wide all[CELLS];
#pragma unroll
        for (uint cell = 0; cell < CELLS; ++cell) {
            all[cell] = absolute(values.of_cell[cell][0]);
#pragma unroll
            for (uint i = 1; i < together; ++i) {
                all[cell] = all[cell] + absolute(values.of_cell[cell][i]);
            }
        }
        return sum_of_each(all);
    }

    // Makes the digits of the values of x from `first` of `k` on, or of what these leave out. Gives whether a value is larger
    // than all others of its cell together.
    static METAL_FUNC bool make(threadgroup float* to, device const float* x, uint first, uint k, bool of_left_out)
    {
        Values values;
#pragma unroll
        for (uint cell = 0; cell < CELLS; ++cell) {
            const uint at = first + cell * together * WIDE;
#pragma unroll
            for (uint i = 0; i < together; ++i) {
                values.of_cell[cell][i] = at < k ? load(x + at + i * WIDE) : splat(0.0f);
            }
        }
        if (of_left_out) {
            leave_out(values);
        }
        const metal::float4 largest = largest_of(values);
        const metal::float4 total = sums_of_absolute(values);
        const metal::uint4 exponents = step_exponents(largest);
        const metal::float4 per_step = powers_of_two(254u - exponents);
#pragma unroll
        for (uint i = 0; i < together; ++i) {
            wide_int numbers[CELLS];
#pragma unroll
            for (uint cell = 0; cell < CELLS; ++cell) {
                // The lower digits are -128 to 127: what is above them is as many more.
                const wide_int number = add(round_to_int(values.of_cell[cell][i] * splat(per_step[cell])), 0x8080);
                numbers[cell] = exclusive_or(number, 0x8080);
            }
            store_words(to + i * WIDE, bytes_of_each<2>(numbers));
            store_words(to + (together + i) * WIDE, bytes_of_each<1>(numbers));
            store_words(to + (2 * together + i) * WIDE, bytes_of_each<0>(numbers));
        }
        // Sums of absolute values keep every NaN.
        const metal::bool4 finite = largest < INFINITY && total == total;
        store_wide(to + steps, four_of_each(metal::select(metal::float4(NAN), powers_of_two(exponents), finite)));
        const wide_bytes factor = wide_bytes((weights::has_offset ? 1 : weights::bias) * 0x01010101u);
        wide_words factors[together];
        for (uint i = 0; i < together; ++i) {
            factors[i] = join(factor, factor, factor, factor);
        }
        const wide_int sums = products(factors, to, splat_int(0));
        if (weights::has_offset) {
            store_wide(to + starts, to_float(sums));
        } else {
            store_ints(to + starts, negative(sums));
        }
        return metal::any(2.0f * largest > total);
    }

    // The same for those units of a group whose bits are set. Gives the bits of those with such a value.
    static METAL_FUNC uint make_group(
        threadgroup float* to, device const float* x, uint first, uint k, uint units, bool of_left_out)
    {
        uint hot = 0;
        for (uint i = 0; i < units_of_group; ++i) {
            if (units >> i & 1) {
                hot |= uint(make(to + i * words, x, first + i * values, k, of_left_out)) << i;
            }
        }
        return hot;
    }

    // The products of a unit's bytes with its numbers, added up four of each sixteen together, and `start`.
    static METAL_FUNC wide_int products(thread const wide_words* q, threadgroup const float* digits, wide_int start)
    {
        wide_int sums = splat_int(0);
#pragma unroll
        for (uint digit = 0; digit < 3; ++digit) {
            sums = shift_left<8>(sums);
#pragma unroll
            for (uint i = 0; i < together; ++i) {
                sums = add_products(q[i], load_words(digits + (digit * together + i) * WIDE), sums);
            }
        }
        return add(sums, start);
    }

    // Adds the products of a unit with the values that have these digits.
    static METAL_FUNC wide add_unit(thread const Unit<together>& unit, threadgroup const float* digits, wide sums)
    {
        const wide steps_of_values = load_wide(digits + steps);
        if (weights::has_offset) {
            const wide product = to_float(products(unit.q, digits, splat_int(0)));
            return fma(fma(product, unit.scales, unit.offsets * load_wide(digits + starts)), steps_of_values, sums);
        }
        const wide product = to_float(products(unit.q, digits, load_ints(digits + starts)));
        return fma(product * steps_of_values, unit.scales, sums);
    }

    // Adds the products of those units of a group of each of two rows whose bits are set. There are `count` blocks of it; of one that is not
    // WHOLE, cells beyond the last block's are that block's: their digits are zeros.
    template <bool WHOLE>
    static METAL_FUNC void add_group(
        thread wide& sums_of_one, thread wide& sums_of_other, device const W* one, device const W* other, uint count, uint units,
        threadgroup const float* digits)
    {
        const BlockUnits<W, together, WHOLE> of_one = BlockUnits<W, together, WHOLE>::of(one, count);
        const BlockUnits<W, together, WHOLE> of_other = BlockUnits<W, together, WHOLE>::of(other, count);
#pragma unroll
        for (uint i = 0; i < units_of_group; ++i) {
            if (units >> i & 1) {
                sums_of_one = add_unit(of_one.unit(i), digits + i * words, sums_of_one);
                sums_of_other = add_unit(of_other.unit(i), digits + i * words, sums_of_other);
            }
        }
    }

    // Asks for what a group is, `later` bytes from here.
    static METAL_FUNC void prefetch_group(device const W* from, uint later)
    {
#pragma unroll
        for (uint at = 0; at < blocks_of_group * sizeof(W); at += LINE) {
            prefetch(from, later + at);
        }
    }

    // Some groups of each row, and units of each.
    struct Groups {
        uint count;
        uint numbers[most_groups];
        uint units[most_groups];
    };

    // Rows that are multiplied, two at a time.
    struct Pairs {
        device const W* w;
        device const W* gated;
        bool gate;
        uint rows;
        uint blocks;  // of a row

        METAL_FUNC uint count() const { return gate ? rows : (rows + 1) / 2; }

        METAL_FUNC device const W* one(uint pair) const { return w + ulong(pair) * blocks; }

        METAL_FUNC device const W* other(uint pair) const
        {
            return gate ? gated + ulong(pair) * blocks : one(pair + count() < rows ? pair + count() : pair);
        }
    };

    // Adds the products of all rows' groups from `start` on with the values that have these digits: of so many `whole` ones and then of some,
    // whose numbers are counted from there.
    static METAL_FUNC void add_groups(
        thread float* sums, thread const Pairs& pairs, uint start, uint whole, thread const Groups& some, threadgroup const float* digits)
    {
        const uint blocks = pairs.blocks;
        // Rows that lie ahead. Memory is asked for: otherwise it came half as fast.
        const uint of_row = blocks * sizeof(W);
        const uint later = (BYTES_AHEAD + of_row - 1) / of_row * of_row;
        for (uint pair = 0; pair < pairs.count(); ++pair) {
            device const W* one = pairs.one(pair);
            device const W* other = pairs.other(pair);
            wide sums_of_one = splat(0.0f);
            wide sums_of_other = splat(0.0f);
            for (uint group = 0; group < whole; ++group) {
                const uint block = (start + group) * blocks_of_group;
                prefetch_group(one + block, later);
                prefetch_group(other + block, later);
                add_group<true>(
                    sums_of_one, sums_of_other, one + block, other + block, blocks - block, each_unit, digits + group * words_of_group);
            }
            for (uint i = 0; i < some.count; ++i) {
                const uint block = (start + some.numbers[i]) * blocks_of_group;
                add_group<false>(
                    sums_of_one, sums_of_other, one + block, other + block, blocks - block, some.units[i],
                    digits + (whole + i) * words_of_group);
            }
            sums[2 * pair] += sum(sums_of_one);
            sums[2 * pair + 1] += sum(sums_of_other);
        }
    }

    // sums[i] = the product of row i with x, of `rows` up to ROWS_OF_THREAD. With a gate, sums[2 i] is that of row i of w,
    // and sums[2 i + 1] of `gated`. `memory` has room for the digits of most_groups groups.
    static METAL_FUNC void multiply_rows(
        thread float* sums, device const W* w, device const W* gated, bool gate, uint rows, device const float* x, uint k,
        threadgroup float* memory)
    {
        const Pairs pairs = {w, gated, gate, rows, k / weights::values};
        for (uint i = 0; i < 2 * pairs.count(); ++i) {
            sums[i] = 0.0f;
        }
        for (uint first = 0; first < k; first += DIGITS_AT_A_TIME) {
            const uint here = metal::min(k - first, DIGITS_AT_A_TIME);
            const uint start = first / of_group;
            const uint whole = here / of_group;
            const uint all = (here + of_group - 1) / of_group;
            Groups last;
            last.count = all - whole;
            last.numbers[0] = whole;
            last.units[0] = each_unit;
            // Units with a value that is larger than others together come once more.
            Groups again;
            again.count = 0;
            for (uint group = 0; group < all; ++group) {
                const uint hot = make_group(memory + group * words_of_group, x, first + group * of_group, k, each_unit, false);
                if (hot != 0) {
                    again.numbers[again.count] = group;
                    again.units[again.count] = hot;
                    ++again.count;
                }
            }
            add_groups(sums, pairs, start, whole, last, memory);
            if (again.count > 0) {
                for (uint i = 0; i < again.count; ++i) {
                    const uint from = first + again.numbers[i] * of_group;
                    make_group(memory + i * words_of_group, x, from, k, again.units[i], true);
                }
                add_groups(sums, pairs, start, 0, again, memory);
            }
        }
    }
};

// Other formats are not multiplied by digits.
template <typename W>
struct ByDigits<W, false> {
    static constant constexpr bool possible = false;

    static METAL_FUNC void multiply_rows(
        thread float*, device const W*, device const W*, bool, uint, device const float*, uint, threadgroup float*)
    {
    }
};

}  // namespace mettle_kernels
