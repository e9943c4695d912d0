// Blocks of rows of a cache of 16-bit values, on their way to tiles in threadgroup memory.
//
// A block is as many rows of values as tiles have; a tile has TILE_DEPTH columns of them, and lies as `tile_layout` says.
#pragma once

#include <metal_stdlib>
#include <mettle/copy.h>
#include <mettle/fragment.h>
#include <mettle/pages.h>

using namespace metal;

namespace mettle_kernels {

// Columns of a tile, and its chunks.
constant constexpr uint TILE_DEPTH = 32;
constant constexpr uint TILE_CHUNKS = TILE_DEPTH / CHUNK;

// Values of the tiles of a block: `columns` is a multiple of FRAGMENT, of which the last tile may have but one.
METAL_FUNC uint values_of_tiles(uint rows, uint columns)
{
    return rows * ((columns + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH);
}

// A chunk of a row of a block.
struct ChunkPlace {
    uint row;
    uint chunk;
};

// Copies of a block by the THREADS threads of a threadgroup. A block is of 32 or 64 rows, a multiple of THREADS / TILE_CHUNKS, and of MAX values at most.
template <uint THREADS, uint MAX>
struct BlockTiles {
    // Rows of a tile that threads copy at a time.
    static constant constexpr uint ROWS_AT_A_TIME = THREADS / TILE_CHUNKS;

    uint rows;
    uint columns;
    copy<uint4> chunks[MAX / CHUNK / THREADS];

    // Chunks that a thread copies.
    METAL_FUNC uint count() const { return values_of_tiles(rows, columns) / CHUNK / THREADS; }

    // Chunk j of a thread. Neighbouring threads have the chunks that a tile has of a row, and then those of the next row. Where half a tile has
    // none for it, the row lies behind the block.
    METAL_FUNC ChunkPlace place(uint j, uint index) const
    {
        const uint pieces = rows / ROWS_AT_A_TIME;
        const uint tile = j / pieces;
        const uint chunks_of_row = tile < columns / TILE_DEPTH ? TILE_CHUNKS : TILE_CHUNKS / 2;
        const uint row = j % pieces * (THREADS / chunks_of_row) + index / chunks_of_row;
        return ChunkPlace{row, tile * TILE_CHUNKS + index % chunks_of_row};
    }

    METAL_FUNC threadgroup uint4* at(threadgroup ushort* tiles, ChunkPlace place) const
    {
        threadgroup ushort* tile = tiles + place.chunk / TILE_CHUNKS * rows * TILE_DEPTH;
        return reinterpret_cast<threadgroup uint4*>(tile + tile_layout::place(rows, place.row, place.chunk % TILE_CHUNKS));
    }

    // Starts to copy the rows from `first` on of a cache whose row 0 begins at `from`, `stride` values before the next: those that are `wanted`, as bits, and
    // zeros in place of others, which may be anything.
    METAL_FUNC void fetch(
        threadgroup ushort* tiles, device const ushort* from, Places places, ulong stride, uint first, uint2 wanted,
        uint index)
    {
#pragma unroll
        for (uint j = 0; j < count(); ++j) {
            const ChunkPlace to = place(j, index);
            if (to.row >= rows) {
                continue;
            }
            const uint word = to.row < 32 ? wanted.x : wanted.y;
            if ((word >> to.row % 32 & 1) != 0) {
                device const ushort* chunk = from + places.row(first + to.row) * stride + to.chunk * CHUNK;
                start(chunks[j], at(tiles, to), reinterpret_cast<device const uint4*>(chunk));
            } else {
                start_with(chunks[j], at(tiles, to), uint4(0));
            }
        }
    }

    // Waits until threads have copied the block.
    METAL_FUNC void put(threadgroup ushort* tiles, uint index) const
    {
#pragma unroll
        for (uint j = 0; j < count(); ++j) {
            const ChunkPlace to = place(j, index);
            if (to.row < rows) {
                finish(chunks[j], at(tiles, to));
            }
        }
        finish_copies();
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
};

}  // namespace mettle_kernels
