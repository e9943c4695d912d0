// Rows of weights in blocks, brought to the lanes of a SIMD group through threadgroup memory.
//
// A SIMD group goes through rows in chunks, of which each lane has PARTS sixteens, the same ones of every row. The bytes of a
// chunk come in as whole vectors side by side, those of several rows at a time and the next ones while these are multiplied;
// the lanes then read their blocks from threadgroup memory, at whatever addresses they have there. Straight from device
// memory, each load of a block's bytes would touch as many cache lines as the lanes have blocks.
#pragma once

#include <metal_stdlib>
#include <mettle/digits.h>
#include <mettle/formats.h>

namespace mettle_kernels {

// Rows that a SIMD group takes together, at most.
constant constexpr uint BATCH = 4;

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
    // Vectors that a lane has on their way: of each row, and together.
    static constant constexpr uint held_of_row = (vectors + 31) / 32;
    static constant constexpr uint held = rows * held_of_row;
    // The largest power of two that divides the size of a block, up to sixteen.
    static constant constexpr uint size_bits = sizeof(W) & (~sizeof(W) + 1);
    static constant constexpr uint alignment = size_bits < 16 ? size_bits : 16;
    // Words of a lane's digits of a chunk of x. The four more keep lanes from meeting in a bank of threadgroup memory.
    static constant constexpr uint stride = PARTS * DIGIT_WORDS + 4;
    // Words of a chunk of x.
    static constant constexpr uint digits = 32 * stride;
};

// How many sixteens of a chunk a lane has: two of a block that it shares with others, or two whole small blocks, which begin
// together at a multiple of four bytes and, with a word between those of neighbours, in banks of threadgroup memory of their
// own. Half of it for several columns, whose digits take registers.
template <typename W, bool SEVERAL_COLUMNS>
struct PartsOfLane {
    static constant constexpr uint of_block = format<W>::values / WIDE;
    static constant constexpr uint value = (of_block == 2 ? 4 : 2) / (SEVERAL_COLUMNS ? 2 : 1);
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

// Fetches the lane's vectors of a chunk's rows from `first` on, from block `block` of `blocks` on. Beyond the last row it is
// fetched again.
template <typename W, uint PARTS>
METAL_FUNC void fetch(
    thread typename Chunk<W, PARTS>::vector* held, device const W* matrix, uint first, uint last, uint block, uint blocks,
    uint lane)
{
    typedef Chunk<W, PARTS> chunk;
    typedef typename chunk::vector vector;
    const uint stride = blocks * sizeof(W);
    const uint bytes = (blocks - block) * sizeof(W);
    device const W* row = matrix + ulong(min(first, last)) * blocks + block;
    device const uchar* from = reinterpret_cast<device const uchar*>(row) + lane * sizeof(vector);
#pragma unroll
    for (uint r = 0; r < chunk::rows; ++r) {
#pragma unroll
        for (uint i = 0; i < chunk::held_of_row; ++i) {
            const uint at = 32 * i + lane;
            if (at < chunk::vectors && at * sizeof(vector) < bytes) {
                held[r * chunk::held_of_row + i] = load_as<vector>(from, 32 * i);
            }
        }
        from += first + r < last ? stride : 0;
    }
}

// Puts fetched vectors into threadgroup memory.
template <typename W, uint PARTS>
METAL_FUNC void put(thread const typename Chunk<W, PARTS>::vector* held, threadgroup metal::uint4* staged, uint lane)
{
    typedef Chunk<W, PARTS> chunk;
#pragma unroll
    for (uint r = 0; r < chunk::rows; ++r) {
#pragma unroll
        for (uint i = 0; i < chunk::held_of_row; ++i) {
            const uint at = 32 * i + lane;
            if (at < chunk::vectors) {
                store_as(staged + r * chunk::slots, at, held[r * chunk::held_of_row + i]);
            }
        }
    }
}

// Adds to sums[c * STRIDE + r] the lane's share of the product of staged row r and column c, whose digits lie in
// x[c * column], those of each lane together; columns beyond the last are that one again. Blocks beyond the first `blocks` of
// the chunk are left out.
template <typename W, uint PARTS, uint STRIDE>
METAL_FUNC void multiply(
    thread float* sums, threadgroup const metal::uint4* staged, threadgroup const float* x, uint column, uint columns,
    uint last_column, uint blocks, uint lane)
{
    typedef Chunk<W, PARTS> chunk;
    typedef Share<W, PARTS> share;
    typedef format<W> weights;
#pragma unroll
    for (uint b = 0; b < share::lane_blocks; ++b) {
        const uint block = share::block(lane, b);
        if (block >= blocks) {
            continue;
        }
        const FromWords<chunk::alignment> reads = {(block * sizeof(W)) % 4 != 0};
#pragma unroll
        for (uint p = 0; p < share::parts; ++p) {
            const uint at = lane * chunk::stride + (b * share::parts + p) * DIGIT_WORDS;
            Digits digits = load_digits<weights>(x + at);
            Packed packed[chunk::rows];
#pragma unroll
            for (uint r = 0; r < chunk::rows; ++r) {
                threadgroup const W* row = reinterpret_cast<threadgroup const W*>(staged + r * chunk::slots);
                packed[r] = weights::unpack(reads, row + block, share::part(lane, p));
                sums[r] = add_products<weights>(packed[r], digits, sums[r]);
            }
#pragma unroll
            for (uint c = 1; c < columns; ++c) {
                digits = load_digits<weights>(x + metal::min(c, last_column) * column + at);
#pragma unroll
                for (uint r = 0; r < chunk::rows; ++r) {
                    thread float& into = sums[c * STRIDE + r];
                    into = add_products<weights>(packed[r], digits, into);
                }
            }
        }
    }
}

}  // namespace mettle_kernels
