// Rows of weights in blocks, brought to the lanes of a SIMD group through threadgroup memory.
//
// A SIMD group goes through its rows in chunks, of which each lane has PARTS sixteens. The bytes of a chunk come in as
// whole vectors side by side, those of several rows at a time and the next ones while these are multiplied; the lanes then
// read their blocks from threadgroup memory, at whatever addresses they have there. Straight from device memory, each load
// of a block's bytes would touch as many cache lines as the lanes have blocks.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>

namespace mettle_kernels {

// Rows that a SIMD group computes together.
constant constexpr uint STAGED_ROWS = 4;

// What a chunk of a row is made of.
template <typename W, uint PARTS>
struct Chunk {
    static constant constexpr uint values = 32 * PARTS * WIDE;
    static constant constexpr uint blocks = values / format<W>::values;
    static constant constexpr uint bytes = blocks * sizeof(W);
    // Bytes are fetched in these.
    typedef typename word_of<bytes % 16 == 0 ? 16 : 8>::type vector;
    static constant constexpr uint vectors = bytes / sizeof(vector);
    // In threadgroup memory, a row's chunk begins at a multiple of sixteen bytes.
    static constant constexpr uint slots = (bytes + 15) / 16;
    // Rows on their way together: up to five kilobytes, or half of it where the columns take the rest of the memory.
    static constant constexpr uint rows = bytes > 320 * PARTS ? STAGED_ROWS / 2 : STAGED_ROWS;
    // Vectors that a lane has on their way.
    static constant constexpr uint held = (rows * vectors + 31) / 32;
    // The largest power of two that divides the size of a block, up to sixteen.
    static constant constexpr uint size_bits = sizeof(W) & (~sizeof(W) + 1);
    static constant constexpr uint alignment = size_bits < 16 ? size_bits : 16;
    // A lane's floats of x. The four more keep lanes from meeting in a bank of threadgroup memory.
    static constant constexpr uint stride = PARTS * WIDE + 4;
    // Floats of x for a column.
    static constant constexpr uint column = 32 * stride;
};

// Fetches the lane's vectors of the rows that begin at the elements `rows` of w and have `bytes` bytes left.
template <typename W, uint PARTS>
METAL_FUNC void fetch(
    thread typename Chunk<W, PARTS>::vector* held, device const W* w, thread const ulong* rows, uint bytes, uint lane)
{
    typedef Chunk<W, PARTS> chunk;
    typedef typename chunk::vector vector;
#pragma unroll
    for (uint i = 0; i < chunk::held; ++i) {
        const uint row = (32 * i + lane) / chunk::vectors;
        const uint at = (32 * i + lane) % chunk::vectors;
        if (row < chunk::rows && at * sizeof(vector) < bytes) {
            // Indexing by `row` would put the offsets into memory.
            ulong from = rows[0];
#pragma unroll
            for (uint r = 1; r < chunk::rows; ++r) {
                from = row == r ? rows[r] : from;
            }
            held[i] = load_as<vector>(w + from, at);
        }
    }
}

// Puts fetched vectors into threadgroup memory.
template <typename W, uint PARTS>
METAL_FUNC void put(thread const typename Chunk<W, PARTS>::vector* held, threadgroup metal::uint4* staged, uint lane)
{
    typedef Chunk<W, PARTS> chunk;
#pragma unroll
    for (uint i = 0; i < chunk::held; ++i) {
        const uint row = (32 * i + lane) / chunk::vectors;
        if (row < chunk::rows) {
            store_as(staged + row * chunk::slots, (32 * i + lane) % chunk::vectors, held[i]);
        }
    }
}

// Fetch and put for rows that do not begin at multiples of sixteen bytes: two bytes at a time, the size that all blocks
// are a multiple of.
template <typename W, uint PARTS>
METAL_FUNC void copy(
    threadgroup metal::uint4* staged, device const W* w, thread const ulong* rows, uint bytes, uint lane)
{
    typedef Chunk<W, PARTS> chunk;
    const uint count = min(bytes, chunk::bytes) / sizeof(ushort);
#pragma unroll
    for (uint row = 0; row < chunk::rows; ++row) {
        for (uint i = lane; i < count; i += 32) {
            store_as(staged + row * chunk::slots, i, load_as<ushort>(w + rows[row], i));
        }
    }
}

// Adds to sums[r * MAX_COLUMNS + c] the lane's share of the product of staged row r and column c of x, of which `blocks`
// blocks are there.
template <typename W, uint PARTS, uint MAX_COLUMNS>
METAL_FUNC void multiply(
    thread float* sums, threadgroup const metal::uint4* staged, threadgroup const float* x, uint columns, uint blocks,
    uint lane)
{
    typedef Chunk<W, PARTS> chunk;
    typedef format<W> weights;
    constexpr uint lane_values = PARTS * WIDE;
    // A lane has whole blocks, or several lanes share one: each takes parts that come from the same bytes.
    constexpr uint lane_blocks = lane_values > weights::values ? lane_values / weights::values : 1;
    constexpr uint lanes = lane_values < weights::values ? weights::values / lane_values : 1;
    constexpr uint parts = PARTS / lane_blocks;
    constexpr uint sharers = weights::sharing > parts ? weights::sharing / parts : 1;
    constexpr uint shared_parts = sharers * parts;
    const uint place = lane % lanes;

    // Parts half the way apart come from the same bytes: they are unrolled to read them once. The rest is not, to spare
    // registers.
#pragma unroll(1)
    for (uint step = 0; step < PARTS / 2; ++step) {
        const uint block = lane / lanes * lane_blocks + step / (parts / 2);
        if (block < blocks) {
#pragma unroll
            for (uint half_way = 0; half_way < 2; ++half_way) {
                const uint p = step % (parts / 2) + half_way * (parts / 2);
                const uint part = place / sharers * shared_parts + place % sharers + sharers * p;
                const uint first = block * weights::values + part * WIDE;
                threadgroup const float* from = x + first / lane_values * chunk::stride + first % lane_values;
                wide values[MAX_COLUMNS];
                float total[MAX_COLUMNS];
#pragma unroll
                for (uint c = 0; c < columns; ++c) {
                    values[c] = load_quads(from + c * chunk::column);
                    total[c] = weights::has_offset ? sum(values[c]) : 0.0f;
                }
#pragma unroll
                for (uint r = 0; r < chunk::rows; ++r) {
                    const Scaled q = weights::template unpack<chunk::alignment>(
                        reinterpret_cast<threadgroup const W*>(staged + r * chunk::slots) + block, part);
#pragma unroll
                    for (uint c = 0; c < columns; ++c) {
                        thread float& into = sums[r * MAX_COLUMNS + c];
                        into = metal::fma(q.scale, dot(q.q, values[c]), into);
                        if (weights::has_offset) {
                            into = metal::fma(q.offset, total[c], into);
                        }
                    }
                }
            }
        }
    }
}

}  // namespace mettle_kernels
