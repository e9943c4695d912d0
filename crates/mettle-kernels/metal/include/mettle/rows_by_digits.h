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
METTLE_BY_DIGITS(block_q6_K, 1)
#undef METTLE_BY_DIGITS

// Activations below this lose bits: the step of its numbers is to be a normal float.
constant constexpr float SMALLEST_WITH_NUMBERS = 1e-31f;

// Values of x whose digits a thread has at a time, at most.
constant constexpr uint DIGITS_AT_A_TIME = 2048;

// How far ahead weights are asked for, at least.
constant constexpr uint BYTES_AHEAD = 4096;

// Rows that a thread takes, at most.
constant constexpr uint ROWS_OF_THREAD = 128;

// The scales of a unit's cells, four times each: those that were unpacked.
template <typename W, bool WHOLE>
struct ScalesOfUnit {
    static METAL_FUNC wide of(device const W*, metal::float4 unpacked) { return four_of_each(unpacked); }
};

#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
// All in one load, which four blocks are large enough for, where CPUs would load each into a vector of its own.
template <>
struct ScalesOfUnit<block_q4_0, true> {
    static METAL_FUNC wide of(device const block_q4_0* blocks, metal::float4)
    {
        typedef ushort words __attribute__((ext_vector_type(32)));
        typedef half halves __attribute__((ext_vector_type(16)));
        const words all = mettle::load_unaligned<words>(reinterpret_cast<device const ushort*>(blocks));
        const auto scales = __builtin_shufflevector(all, all, 0, 0, 0, 0, 9, 9, 9, 9, 18, 18, 18, 18, 27, 27, 27, 27);
        return __builtin_convertvector(__builtin_bit_cast(halves, scales), wide);
    }
};
#endif

template <typename W, bool BY_DIGITS = (TogetherByDigits<W>::value > 0)>
struct ByDigits {
    static constant constexpr bool possible = true;

    typedef format<W> weights;
    // Sixteens of a cell, which has one scale. Four cells are a unit, whose bytes are multiplied side by side.
    static constant constexpr uint together = TogetherByDigits<W>::value;
    static constant constexpr uint cells = 4;
    static constant constexpr uint cells_of_block = weights::values / (together * WIDE);
    // Units of a block that is larger than one.
    static constant constexpr uint units_of_block = cells_of_block > cells ? cells_of_block / cells : 1;
    static constant constexpr uint values = cells * together * WIDE;
    // Words of a unit's digits: the three of each value, what sums of products start with, or for weights with offsets the
    // sums of the numbers, and the steps, four times each.
    static constant constexpr uint starts = 3 * together * WIDE;
    static constant constexpr uint steps = starts + WIDE;
    static constant constexpr uint words = steps + WIDE;
    // Units whose digits a thread has at a time, and as many of what they leave out.
    static constant constexpr uint most_units = DIGITS_AT_A_TIME / values;

    // The exponent bits of the step of values of which this is the largest.
    static METAL_FUNC uint step_exponent(float largest)
    {
        // Numbers reach up to 127 * 65536 + 127 * 256 + 127, less than 2^23 by a factor of 1.004.
        return (as_type<uint>(1.005f * metal::max(largest, SMALLEST_WITH_NUMBERS)) >> 23) - 22;
    }

    static METAL_FUNC float power_of_two(uint exponent) { return as_type<float>(exponent << 23); }

    // Takes from a cell's values what their numbers are.
    static METAL_FUNC void leave_out(thread wide* values)
    {
        const uint exponent = step_exponent(largest_of(values));
        for (uint i = 0; i < together; ++i) {
            const wide number = to_float(round_to_int(values[i] * splat(power_of_two(254 - exponent))));
            values[i] = fma(number, splat(-power_of_two(exponent)), values[i]);
        }
    }

    static METAL_FUNC float largest_of(thread const wide* values)
    {
        wide all = absolute(values[0]);
        for (uint i = 1; i < together; ++i) {
            all = max(all, absolute(values[i]));
        }
        return largest(all);
    }

    // Makes the digits of the values of x from `first` of `k` on, or of what these leave out. Gives whether a value is larger
    // than all others of its cell together.
    static METAL_FUNC bool make(threadgroup float* to, device const float* x, uint first, uint k, bool of_left_out)
    {
        bool hot = false;
        metal::float4 step_of_cell;
#pragma unroll
        for (uint cell = 0; cell < cells; ++cell) {
            wide values[together];
            const uint at = first + cell * together * WIDE;
            wide all = splat(0.0f);
#pragma unroll
            for (uint i = 0; i < together; ++i) {
                values[i] = at < k ? load(x + at + i * WIDE) : splat(0.0f);
            }
            if (of_left_out) {
                leave_out(values);
            }
#pragma unroll
            for (uint i = 0; i < together; ++i) {
                all = all + absolute(values[i]);
            }
            const float largest = largest_of(values);
            const float total = sum(all);
            hot = hot || 2.0f * largest > total;
            const uint exponent = step_exponent(largest);
            // Sums of absolute values keep every NaN.
            step_of_cell[cell] = largest < INFINITY && total == total ? power_of_two(exponent) : NAN;
#pragma unroll
            for (uint i = 0; i < together; ++i) {
                // The lower digits are -128 to 127: what is above them is as many more.
                const wide_int number = add(round_to_int(values[i] * splat(power_of_two(254 - exponent))), 0x8080);
                const uint place = i * WIDE + 4 * cell;
                store_bytes(to + place, byte_of_each<2>(number));
                store_bytes(to + together * WIDE + place, byte_of_each<1>(number) ^ 0x80808080u);
                store_bytes(to + 2 * together * WIDE + place, byte_of_each<0>(number) ^ 0x80808080u);
            }
        }
        store_wide(to + steps, four_of_each(step_of_cell));
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
        return hot;
    }

    // The products of a unit's bytes with its numbers, added up four of each sixteen together.
    static METAL_FUNC wide_int products(thread const wide_words* q, threadgroup const float* digits, wide_int start)
    {
        wide_int a = splat_int(0);
        wide_int b = splat_int(0);
        wide_int c = start;
#pragma unroll
        for (uint i = 0; i < together; ++i) {
            a = add_products(q[i], load_words(digits + i * WIDE), a);
            b = add_products(q[i], load_words(digits + (together + i) * WIDE), b);
            c = add_products(q[i], load_words(digits + (2 * together + i) * WIDE), c);
        }
        return join_digits(a, b, c);
    }

    // Adds the products of a row's unit, which is `of_block` of those of its block, with the values that have these digits. Of a unit that is not
    // WHOLE, cells beyond the last block's are that block's: their digits are zeros.
    template <bool WHOLE>
    static METAL_FUNC wide add_unit(
        device const W* row, uint unit, uint of_block, uint blocks, threadgroup const float* digits, wide sums)
    {
        wide_bytes q[together][cells];
        metal::float4 scale;
        metal::float4 offset;
#pragma unroll
        for (uint cell = 0; cell < cells; ++cell) {
            const uint at = cells * unit + cell;
            const uint block = WHOLE ? at / cells_of_block : metal::min(at / cells_of_block, blocks - 1);
            const uint in_block = units_of_block > 1 ? cells * of_block + cell : at % cells_of_block;
#pragma unroll
            for (uint i = 0; i < together; ++i) {
                const Packed packed = weights::unpack(FromBlocks(), row + block, in_block * together + i);
                q[i][cell] = packed.q;
                scale[cell] = packed.scale;
                offset[cell] = packed.offset;
            }
        }
        wide_words joined[together];
#pragma unroll
        for (uint i = 0; i < together; ++i) {
            joined[i] = join(q[i][0], q[i][1], q[i][2], q[i][3]);
        }
        const wide scales = ScalesOfUnit<W, WHOLE>::of(row + cells * unit / cells_of_block, scale);
        const wide steps_of_values = load_wide(digits + steps);
        if (weights::has_offset) {
            const wide product = to_float(products(joined, digits, splat_int(0)));
            const wide offsets = four_of_each(offset) * load_wide(digits + starts);
            return fma(fma(product, scales, offsets), steps_of_values, sums);
        }
        const wide product = to_float(products(joined, digits, load_ints(digits + starts)));
        return fma(product * steps_of_values, scales, sums);
    }

    // sums[i] = the product of row i with x, of `rows` up to ROWS_OF_THREAD. With a gate, sums[2 i] is that of row i of w,
    // and sums[2 i + 1] of `gated`. `memory` has room for the digits of 2 * most_units units.
    static METAL_FUNC void multiply_rows(
        thread float* sums, device const W* w, device const W* gated, bool gate, uint rows, device const float* x, uint k,
        threadgroup float* memory)
    {
        const uint blocks = k / weights::values;
        const uint pairs = gate ? rows : (rows + 1) / 2;
        for (uint i = 0; i < 2 * pairs; ++i) {
            sums[i] = 0.0f;
        }
        for (uint first = 0; first < k; first += DIGITS_AT_A_TIME) {
            const uint here = metal::min(k - first, DIGITS_AT_A_TIME);
            const uint whole = here / values;
            const uint all = (here + values - 1) / values;
            // Units with a value that is larger than others together come once more.
            uint again[most_units];
            uint count = 0;
            for (uint unit = 0; unit < all; ++unit) {
                if (make(memory + unit * words, x, first + unit * values, k, false)) {
                    again[count] = unit;
                    ++count;
                }
            }
            for (uint i = 0; i < count; ++i) {
                make(memory + (all + i) * words, x, first + again[i] * values, k, true);
            }
            // Rows that lie ahead. Memory is asked for: otherwise it came half as fast.
            const uint of_row = blocks * sizeof(W);
            const uint later = (BYTES_AHEAD + of_row - 1) / of_row * of_row;
            for (uint pair = 0; pair < pairs; ++pair) {
                device const W* one = w + ulong(pair) * blocks;
                device const W* other = gate ? gated + ulong(pair) * blocks : pair + pairs < rows ? one + ulong(pairs) * blocks : one;
                wide sums_of_one = splat(0.0f);
                wide sums_of_other = splat(0.0f);
                const uint start = first / values;
                // Whole blocks: where their scales are is known before.
                for (uint block = 0; block < whole; block += units_of_block) {
#pragma unroll
                    for (uint i = 0; i < units_of_block; ++i) {
                        const uint unit = block + i;
                        threadgroup const float* digits = memory + unit * words;
                        prefetch(one + (start + unit) * cells / cells_of_block, later);
                        prefetch(other + (start + unit) * cells / cells_of_block, later);
                        sums_of_one = add_unit<true>(one, start + unit, i, blocks, digits, sums_of_one);
                        sums_of_other = add_unit<true>(other, start + unit, i, blocks, digits, sums_of_other);
                    }
                }
                for (uint unit = whole; unit < all + count; ++unit) {
                    threadgroup const float* digits = memory + unit * words;
                    const uint of_row = start + (unit < all ? unit : again[unit - all]);
                    const uint of_block = of_row % units_of_block;
                    sums_of_one = add_unit<false>(one, of_row, of_block, blocks, digits, sums_of_one);
                    sums_of_other = add_unit<false>(other, of_row, of_block, blocks, digits, sums_of_other);
                }
                sums[2 * pair] += sum(sums_of_one);
                sums[2 * pair + 1] += sum(sums_of_other);
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
