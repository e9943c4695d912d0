// Rows of weights in blocks, brought to the lanes of a SIMD group through threadgroup memory.
//
// A SIMD group goes through rows in chunks, of which each lane has PARTS sixteens, the same ones of every row. The bytes of a
// chunk come in as whole vectors side by side, those of several rows at a time and the next batches of them while one is
// multiplied; the lanes then read their blocks from threadgroup memory, at whatever addresses they have there. Straight from device
// memory, each load of a block's bytes would touch as many cache lines as the lanes have blocks.
#pragma once

#include <metal_stdlib>
#include <mettle/copy.h>
#include <mettle/digits.h>
#include <mettle/formats.h>

namespace mettle_kernels {

// Rows that a SIMD group takes together, at most.
constant constexpr uint BATCH = 4;

// Batches of rows of a SIMD group in threadgroup memory, which are filled and multiplied in turns.
constant constexpr uint STAGES = 2;

// What a chunk of a row is made of.
template <typename W, uint PARTS>
struct Chunk {
    static constant constexpr uint values = 32 * PARTS * WIDE;
    static constant constexpr uint blocks = values / format<W>::values;
    static constant constexpr uint bytes = blocks * sizeof(W);
    // Bytes are fetched in these.
    typedef typename word_of<bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : 4>::type vector;
    static constant constexpr uint vectors = bytes / sizeof(vector);
    // In threadgroup memory, a row's chunk begins at a multiple of sixteen bytes.
    static constant constexpr uint slots = (bytes + 15) / 16;
    // Rows on their way together, so that these are about two kilobytes.
    static constant constexpr uint rows = bytes > 1024 ? BATCH / 2 : BATCH;
    // Rows that are taken together, in one or two batches: the fewer, the more evenly rows are divided; but of long ones two batches
    // wait less for memory.
    static constant constexpr uint rows_of_turn = bytes > 2048 ? BATCH : rows;
    static constant constexpr uint slots_of_batch = rows * slots;
    // The largest power of two that divides the size of a block, up to sixteen.
    static constant constexpr uint size_bits = sizeof(W) & (~sizeof(W) + 1);
    static constant constexpr uint alignment = size_bits < 16 ? size_bits : 16;
    // Words of a lane's digits of a chunk of x. The four more keep lanes from meeting in a bank of threadgroup memory.
    static constant constexpr uint stride = PARTS * DIGIT_WORDS + 4;
    // Words of a chunk of x.
    static constant constexpr uint digits = 32 * stride;
};

// How many sixteens of a chunk a lane has: two of a block that it shares with others, or all of the bytes that four come from, or two
// whole small blocks, which begin together at a multiple of four bytes and, with a word between those of neighbours, in banks of
// threadgroup memory of their own. Half of it, at most, for several columns, whose digits take registers.
template <typename W, bool SEVERAL_COLUMNS>
struct PartsOfLane {
    static constant constexpr uint of_block = format<W>::values / WIDE;
    static constant constexpr uint one_column = of_block == 2 || format<W>::sharing == 4 ? 4 : 2;
    static constant constexpr uint value = SEVERAL_COLUMNS ? (of_block == 2 ? 2 : 1) : one_column;
};

// Where a lane's parts of a chunk lie. It has whole blocks, or several lanes share one: then each takes parts that come from
// the same bytes.
template <typename W, uint PARTS>
struct Share {
    static constant constexpr uint of_block = format<W>::values / WIDE;
    static constant constexpr uint lane_blocks = PARTS > of_block ? PARTS / of_block : 1;
    static constant constexpr uint lanes = PARTS < of_block ? of_block / PARTS : 1;
    // Parts of each block.
    static constant constexpr uint parts = PARTS / lane_blocks;
    static constant constexpr uint sharers = format<W>::sharing > parts ? format<W>::sharing / parts : 1;

    // The lane's block b.
    static METAL_FUNC uint block(uint lane, uint b) { return lane / lanes * lane_blocks + b; }

    // Which of its block's sixteens part p of the lane is.
    static METAL_FUNC uint part(uint lane, uint p)
    {
        const uint place = lane % lanes;
        return place / sharers * sharers * parts + place % sharers + sharers * p;
    }
};

// Parts of a lane side by side whose products are added up before they are scaled, where they have one scale. With several columns each
// by itself, which takes fewer registers.
template <typename W, uint PARTS, bool SEVERAL_COLUMNS>
struct SpanOfParts {
    typedef Share<W, PARTS> share;
    static constant constexpr bool one_scale =
        share::sharers == 1 ? format<W>::run % 2 == 0 : format<W>::run == share::of_block;
    static constant constexpr uint value = !SEVERAL_COLUMNS && share::parts % 2 == 0 && one_scale ? 2 : 1;
};

// Starts to copy a batch, a chunk of the rows from `first` on of those that lie `stride` bytes apart; row 0 begins at `from`, of which the
// lane gets every 32nd vector from its own on. Beyond the last row it is copied again; beyond the first `bytes` of a row there are zeros.
template <typename W, uint PARTS>
METAL_FUNC void fetch(
    threadgroup metal::uint4* staged, device const uchar* from, uint first, uint last, uint stride, uint bytes, uint lane)
{
    typedef Chunk<W, PARTS> chunk;
    typedef typename chunk::vector vector;
#pragma unroll
    for (uint r = 0; r < chunk::rows; ++r) {
        threadgroup vector* to = reinterpret_cast<threadgroup vector*>(staged + r * chunk::slots) + lane;
        device const vector* row = reinterpret_cast<device const vector*>(from + ulong(metal::min(first + r, last) * stride));
#pragma unroll
        for (uint i = 0; i < chunk::vectors; i += 32) {
            if (i + 32 <= chunk::vectors || i + lane < chunk::vectors) {
                // By its whole name: where vectors are types of our compiler, it has a function of this name, too.
                mettle_kernels::start_copy(to + i, row + i, (i + lane) * sizeof(vector) < bytes);
            }
        }
    }
}

// Adds to sums[c * STRIDE + r] the lane's share of the product of staged row r and column c, whose digits lie in
// x[c * column], those of each lane together; columns beyond the last are that one again.
// There are `left` blocks.
template <typename W, uint PARTS, uint SPAN, uint STRIDE>
METAL_FUNC void multiply(
    thread float* sums, threadgroup const metal::uint4* staged, threadgroup const float* x, uint column, uint columns,
    uint last_column, uint left, uint lane)
{
    typedef Chunk<W, PARTS> chunk;
    typedef Share<W, PARTS> share;
    typedef format<W> weights;
#pragma unroll
    for (uint b = 0; b < share::lane_blocks; ++b) {
        const uint block = share::block(lane, b);
        // Blocks that there are none of are zeros. To leave them out nevertheless keeps the digits of several columns from being loaded
        // all at once, for which there are not enough registers.
        if (columns > 1 && block >= left) {
            continue;
        }
        const FromWords<chunk::alignment> reads = {(block * sizeof(W)) % 4 != 0};
#pragma unroll
        for (uint p = 0; p < share::parts; p += SPAN) {
            const uint at = lane * chunk::stride + (b * share::parts + p) * DIGIT_WORDS;
            Digits digits[SPAN];
            load_digits<weights, SPAN>(digits, x + at);
            Packed packed[chunk::rows * SPAN];
#pragma unroll
            for (uint r = 0; r < chunk::rows; ++r) {
                threadgroup const W* row = reinterpret_cast<threadgroup const W*>(staged + r * chunk::slots);
#pragma unroll
                for (uint s = 0; s < SPAN; ++s) {
                    packed[r * SPAN + s] = weights::unpack(reads, row + block, share::part(lane, p + s));
                }
                sums[r] = add_products<weights, SPAN>(packed + r * SPAN, digits, sums[r]);
            }
#pragma unroll
            for (uint c = 1; c < columns; ++c) {
                load_digits<weights, SPAN>(digits, x + metal::min(c, last_column) * column + at);
#pragma unroll
                for (uint r = 0; r < chunk::rows; ++r) {
                    thread float& into = sums[c * STRIDE + r];
                    into = add_products<weights, SPAN>(packed + r * SPAN, digits, into);
                }
            }
        }
    }
}

}  // namespace mettle_kernels
