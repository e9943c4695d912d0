// Matrix times matrix, for prompts: tiles of both matrices meet in threadgroup memory.
//
// Products are of 16-bit numbers, sums are in float. Rows of x come prepared (see round_rows.metal):
// - For weights of f16 and of quantised formats both factors are rounded to half. x is scaled by a power of two a row, so
//   that nothing of it is too large for a half. Weights beyond half's largest number, 65504, become infinite.
// - For weights of bf16, which keep their range, x is the sum of two bfloats, and the products with both are added up.
// - For weights of f32 both factors are sums of two bfloats; three of their four products are added up, as the fourth is
//   below what two bfloats leave out (Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype
//   For Higher-Precision Computations", 2019).

#include <metal_stdlib>
#include <mettle/block_words.h>
#include <mettle/copy.h>
#include <mettle/epilogue.h>
#include <mettle/group_products.h>
#include <mettle/product.h>

using namespace metal;
using namespace mettle_kernels;

// Whether a threadgroup computes 128 x 128 results rather than 64 x 64. A thread then needs up to 255 registers.
constant bool LARGE [[function_constant(0)]];

// What is done beside the product: one of the values of epilogue.h.
constant uint FUSED [[function_constant(1)]];
#ifndef METTLE_AFFINE
#pragma mettle variant(gpu: mul_mm_*_f32, LARGE = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mm_*_f32, LARGE = true, FUSED = 0)
#pragma mettle variant(gpu: mul_mm_f16_f16, LARGE = false, FUSED = 0)
#pragma mettle variant(gpu: mul_mm_f16_f16, LARGE = true, FUSED = 0)
#pragma mettle variant(gpu: mul_mm_q1_0_f32, LARGE = false, FUSED = 2)
#pragma mettle variant(gpu: mul_mm_q1_0_f32, LARGE = true, FUSED = 2)
#pragma mettle variant(gpu: mul_mm_q1_0_f32, LARGE = false, FUSED = 4)
#pragma mettle variant(gpu: mul_mm_q1_0_f32, LARGE = true, FUSED = 4)
#endif
struct Params {
    uint rows;     // m, the rows of x that count, of each batch
    uint padded;   // the rows that x has
    uint columns;  // n, the rows of the weights
    uint k;        // the columns of the weights: whole blocks of a quantised format
    uint stride;   // values from one row of x to the next: k, rounded up to a multiple of 32
    uint aligned;  // whether each row of weights starts at a multiple of sixteen bytes, of four with blocks of 32
    uint experts;  // matrices that w consists of, where each piece of rows has one of its own; else 0
    uint depth;    // values of k that a threadgroup goes through, a multiple of DEPTH
    uint splits;   // threadgroups that share the k of a piece of results
    uint stages;   // steps whose tiles there is memory for: 2, or 4 where copies are asynchronous
};

// Chunks of a row of a tile.
constant constexpr uint CHUNKS = DEPTH / CHUNK;

// Tiles of 16-bit values of which threads copy chunks.
template <uint ROWS, uint THREADS>
struct CopiedTile {
    static constant constexpr uint COUNT = ROWS * CHUNKS / THREADS;

    // What a thread has under way.
    struct Fetched {
        copy<uint4> chunks[COUNT];
    };

    // Chunk j of a thread: neighbouring threads have neighbouring chunks of a row.
    static METAL_FUNC uint row(uint j, uint index) { return (j * THREADS + index) / CHUNKS; }
    static METAL_FUNC uint chunk(uint j, uint index) { return (j * THREADS + index) % CHUNKS; }

    static METAL_FUNC threadgroup uint4* place(threadgroup ushort* tile, uint j, uint index)
    {
        return reinterpret_cast<threadgroup uint4*>(tile + tile_layout::place(ROWS, row(j, index), chunk(j, index)));
    }

    // Starts copying ROWS rows, each `stride` values after the one before, from value `first` on; the last row there is
    // `last`. Every row is aligned to a chunk.
    static METAL_FUNC void fetch(
        thread Fetched& fetched, threadgroup ushort* tile, device const ushort* rows, uint last, uint stride, uint first,
        uint index)
    {
#pragma unroll
        for (uint j = 0; j < COUNT; ++j) {
            device const ushort* from = rows + ulong(min(row(j, index), last)) * stride + first + chunk(j, index) * CHUNK;
            start(fetched.chunks[j], place(tile, j, index), reinterpret_cast<device const uint4*>(from));
        }
    }

    // The same of rows of `stride` values at any address; zeros beyond the end of a row.
    static METAL_FUNC void fetch_some(
        thread Fetched& fetched, threadgroup ushort* tile, device const ushort* rows, uint last, uint stride, uint first,
        uint index)
    {
        for (uint j = 0; j < COUNT; ++j) {
            device const ushort* from = rows + ulong(min(row(j, index), last)) * stride;
            const uint begin = first + chunk(j, index) * CHUNK;
            uint4 values = uint4(0);
            for (uint i = 0; i < CHUNK && begin + i < stride; ++i) {
                values[i / 2] |= uint(from[begin + i]) << 16 * (i % 2);
            }
            start_with(fetched.chunks[j], place(tile, j, index), values);
        }
    }

    static METAL_FUNC void put(thread const Fetched& fetched, threadgroup ushort* tile, uint index)
    {
#pragma unroll
        for (uint j = 0; j < COUNT; ++j) {
            finish(fetched.chunks[j], place(tile, j, index));
        }
    }
};

// How tiles of weights are made: decoded, sixteen values of a row at a time. Neighbouring threads have neighbouring rows. Where code for rows that are
// ALIGNED, of whole tiles each, is other than for the rest (`by_alignment`), which of them it is must be known outside the loop over k: a branch in it
// keeps copies and products of a step apart (a third of the speed of f16 on an H200).
//
// Weights that are `copied` as they are arrive with x. Those that are fetched `ahead` are so a step earlier, into registers, and decoded beside the products of a step instead of behind them.
template <typename W, uint ROWS, uint THREADS, bool ALIGNED>
struct Weights {
    static constant constexpr bool by_alignment = false;
    static constant constexpr bool copied = false;
    static constant constexpr bool ahead = false;
    typedef typename product<W>::operand T;
    static constant constexpr uint STEPS = ROWS * (DEPTH / WIDE) / THREADS;

    struct Fetched {
        uint4 chunks[2 * STEPS];
    };

    static METAL_FUNC void fetch(
        thread Fetched& fetched, threadgroup ushort*, device const W* w, uint last, constant Params& params, uint first,
        bool rest, uint index)
    {
#pragma unroll
        for (uint j = 0; j < STEPS; ++j) {
            const uint i = j * THREADS + index;
            device const W* row = w + ulong(min(i % ROWS, last)) * row_stride<W>(params.k);
            const wide weights = sixteen(row, first + i / ROWS * WIDE, params.k, params.aligned);
            fetched.chunks[2 * j] = chunk_of<T>(weights, 0, rest);
            fetched.chunks[2 * j + 1] = chunk_of<T>(weights, CHUNK, rest);
        }
    }

    static METAL_FUNC void put(thread const Fetched& fetched, threadgroup ushort* tile, constant Params&, uint, uint index)
    {
#pragma unroll
        for (uint j = 0; j < 2 * STEPS; ++j) {
            const uint i = j / 2 * THREADS + index;
            const uint place = tile_layout::place(ROWS, i % ROWS, 2 * (i / ROWS) + j % 2);
            *reinterpret_cast<threadgroup uint4*>(tile + place) = fetched.chunks[j];
        }
    }
};

// Weights that are multiplied as they are.
template <typename W, uint ROWS, uint THREADS, bool ALIGNED>
struct WeightsAsTheyAre {
    static constant constexpr bool by_alignment = true;
    static constant constexpr bool copied = true;
    static constant constexpr bool ahead = false;
    typedef CopiedTile<ROWS, THREADS> Tile;
    typedef typename Tile::Fetched Fetched;

    static METAL_FUNC void fetch(
        thread Fetched& fetched, threadgroup ushort* tile, device const W* w, uint last, constant Params& params,
        uint first, bool, uint index)
    {
        device const ushort* rows = reinterpret_cast<device const ushort*>(w);
        if (ALIGNED) {
            Tile::fetch(fetched, tile, rows, last, params.k, first, index);
        } else {
            Tile::fetch_some(fetched, tile, rows, last, params.k, first, index);
        }
    }

    static METAL_FUNC void put(
        thread const Fetched& fetched, threadgroup ushort* tile, constant Params&, uint, uint index)
    {
        Tile::put(fetched, tile, index);
    }
};

// Blocks of which 32 values come from few words. The threads of a SIMD group copy those of their rows together, word by word, to where these
// rows' values will be; each reads those of its row again, and decodes them.
template <typename Block, uint ROWS, uint THREADS, bool ALIGNED>
struct WeightsOfBlocks {
    typedef BlockWords<Block> block_words;
    static constant constexpr bool by_alignment = true;
    static constant constexpr bool copied = false;
    // Rows of a SIMD group, and threads that share one.
    static constant constexpr uint OWN = ROWS * 32 / THREADS;
    static constant constexpr uint SHARE = OWN < 32 ? 32 / OWN : 1;
    // Words of a row, and the most of them that a thread copies.
    static constant constexpr uint WORDS = block_words::count;
    static constant constexpr uint COUNT = (OWN * WORDS + 31) / 32;
    // Large pieces have enough to multiply that decoding is worth spreading over it, and registers for few words; small ones wait for the first words.
    static constant constexpr bool ahead = ROWS > 64 && WORDS < 10;

    struct Fetched {
        typename metal::conditional_t<ahead, register_copy<uint>, copy<uint>> words[COUNT];
    };

    // The place of word i of those that a SIMD group copies, where the values of its rows will be.
    static METAL_FUNC threadgroup uint* place(threadgroup ushort* tile, uint i, uint index)
    {
        const uint slot = tile_layout::slot(ROWS, index / 32 * OWN, OWN, i / 4);
        return reinterpret_cast<threadgroup uint*>(tile + slot) + i % 4;
    }

    // Rows of blocks begin at multiples of four bytes when ALIGNED.
    static METAL_FUNC uint bytes_before(uint first) { return ALIGNED ? block_words::bytes_before(first) : 0; }

    static METAL_FUNC void fetch(
        thread Fetched& fetched, threadgroup ushort* tile, device const Block* w, uint last, constant Params& params,
        uint first, bool, uint index)
    {
        const ulong stride = row_stride<Block>(params.k) * sizeof(Block);
        device const uchar* blocks = reinterpret_cast<device const uchar*>(w + block_words::block(first)) - bytes_before(first);
#pragma unroll
        for (uint j = 0; j < COUNT; ++j) {
            const uint i = j * 32 + index % 32;
            if (i < OWN * WORDS) {
                const uint word = i % WORDS;
                device const uchar* from = blocks + min(index / 32 * OWN + i / WORDS, last) * stride + block_words::word_at(first, word);
                if (ALIGNED) {
                    start(fetched.words[j], place(tile, i, index), reinterpret_cast<device const uint*>(from));
                } else {
                    device const ushort* pairs = reinterpret_cast<device const ushort*>(from);
                    const uint value = pairs[0] | (block_words::is_whole(word) ? uint(pairs[1]) << 16 : 0);
                    start_with(fetched.words[j], place(tile, i, index), value);
                }
            }
        }
    }

    static METAL_FUNC void put(
        thread const Fetched& fetched, threadgroup ushort* tile, constant Params& params, uint first, uint index)
    {
#pragma unroll
        for (uint j = 0; j < COUNT; ++j) {
            const uint i = j * 32 + index % 32;
            if (i < OWN * WORDS) {
                finish(fetched.words[j], place(tile, i, index));
            }
        }
        if (!ahead) {
            finish_copies();
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);
        const uint row = index % 32 / SHARE;
        uint words[WORDS + 1];
#pragma unroll
        for (uint i = 0; i < WORDS; ++i) {
            words[i] = *place(tile, row * WORDS + i, index);
        }
        words[WORDS] = 0;
        const uint shift = 8 * bytes_before(first);
        simdgroup_barrier(mem_flags::mem_threadgroup);

        const Decoding decoding = block_words::decoding(words, shift, first);
#pragma unroll
        for (uint j = 0; j < CHUNKS / SHARE; ++j) {
            const uint chunk = SHARE == 1 ? j : index % SHARE * (CHUNKS / SHARE) + j;
            const uint2 low = halves_of<block_words>(block_words::codes(words, shift, first, chunk, 0), decoding);
            const uint2 high = halves_of<block_words>(block_words::codes(words, shift, first, chunk, 1), decoding);
            const uint place = tile_layout::place(ROWS, index / 32 * OWN + row, chunk);
            *reinterpret_cast<threadgroup uint4*>(tile + place) = uint4(low, high);
        }
    }
};

template <uint ROWS, uint THREADS, bool ALIGNED>
struct Weights<half, ROWS, THREADS, ALIGNED> : WeightsAsTheyAre<half, ROWS, THREADS, ALIGNED> {};

template <uint ROWS, uint THREADS, bool ALIGNED>
struct Weights<bfloat, ROWS, THREADS, ALIGNED> : WeightsAsTheyAre<bfloat, ROWS, THREADS, ALIGNED> {};

#define METTLE_BY_WORDS(type)                    \
    template <uint ROWS, uint THREADS, bool ALIGNED> \
    struct Weights<type, ROWS, THREADS, ALIGNED> : WeightsOfBlocks<type, ROWS, THREADS, ALIGNED> {};
METTLE_BY_WORDS(block_q4_0)
METTLE_BY_WORDS(block_q4_1)
METTLE_BY_WORDS(block_q5_0)
METTLE_BY_WORDS(block_q5_1)
METTLE_BY_WORDS(block_q8_0)
METTLE_BY_WORDS(block_q4_K)
#undef METTLE_BY_WORDS

// A step: products of both large parts, then of the small part of x, then of that of the weights.
struct Step {
    uint first;  // value of k
    uint pass;

    // Where its part of x begins.
    METAL_FUNC ulong part(constant Params& params) const { return pass == 1 ? ulong(params.padded) * params.stride : 0; }
};

// The next step; after the last it begins the last pass again.
template <typename W>
METAL_FUNC Step after(Step step, uint begin, uint end)
{
    step.first += DEPTH;
    if (step.first == end) {
        step.first = begin;
        step.pass = min(step.pass + 1, product<W>::passes - 1);
    }
    return step;
}

// Waits for the copies of the next step, with those of `stages` - 2 more under way.
METAL_FUNC void wait_for_next(uint stages)
{
    if (stages > 2) {
        wait_for_copies<2>();
    } else {
        wait_for_copies<0>();
    }
}

// ROWS x COLUMNS results by ACROSS x DOWN SIMD groups, with which `epilogue` says what to do, from values `begin` to `end` of k.
// While the tiles of one step are multiplied, those of the next ones are on their way, to registers or to their places beside the others
// in threadgroup memory, so that threads wait for each other once a step.
template <typename W, typename X, uint ROWS, uint COLUMNS, uint DOWN, uint ACROSS, bool ALIGNED>
METAL_FUNC void multiply(
    device const W* w, device const ushort* x, uint rows_of_x, device const float* scale, device X* out, uint epilogue, uint begin,
    uint end, constant Params& params, threadgroup ushort* tiles, uint2 position, uint index, uint simd_group, uint lane)
{
    typedef typename product<W>::operand T;
    constexpr uint THREADS = 32 * DOWN * ACROSS;
    typedef CopiedTile<ROWS, THREADS> Rows;
    typedef Weights<W, COLUMNS, THREADS, ALIGNED> Columns;
    constexpr uint X_TILE = ROWS * DEPTH;
    constexpr uint W_TILE = COLUMNS * DEPTH;
    typedef group_products<T, ROWS, COLUMNS, DOWN, ACROSS> Products;

    const uint first_row = position.x * ROWS;
    const uint first_column = position.y * COLUMNS;
    x += ulong(first_row) * params.stride;
    w += ulong(first_column) * row_stride<W>(params.k);
    const uint last_column = params.columns - 1 - first_column;
    const uint last_row = min(ROWS, rows_of_x - first_row) - 1;

    Products products;
    products.zero();

    const uint stages = params.stages;
    const uint last_stage = stages - 1;
    typename Rows::Fetched x_fetched;
    typename Columns::Fetched w_fetched;
    // Of what copies are started, and of what weights are decoded.
    Step later = {begin, 0};
    for (uint s = 0; s < last_stage; ++s) {
        threadgroup ushort* tile = tiles + s * (X_TILE + W_TILE);
        Rows::fetch(x_fetched, tile, x + later.part(params), last_row, params.stride, later.first, index);
        if (Columns::copied) {
            Columns::fetch(w_fetched, tile + X_TILE, w, last_column, params, later.first, later.pass == 2, index);
        }
        close_copies();
        later = after<W>(later, begin, end);
    }
    Step next = {begin, 0};
    Rows::put(x_fetched, tiles, index);
    if (!Columns::copied) {
        Columns::fetch(w_fetched, tiles + X_TILE, w, last_column, params, begin, false, index);
    }
    Columns::put(w_fetched, tiles + X_TILE, params, begin, index);
    if (Columns::ahead) {
        Columns::fetch(w_fetched, tiles, w, last_column, params, after<W>(next, begin, end).first, false, index);
    }
    wait_for_next(stages);
    publish_operands();
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const uint steps = product<W>::passes * ((end - begin) / DEPTH);
    for (uint step = 0; step < steps; ++step) {
        // After the last step comes what nobody needs.
        next = after<W>(next, begin, end);
        threadgroup ushort* to_decode = tiles + ((step + 1) & last_stage) * (X_TILE + W_TILE);
        threadgroup ushort* to_copy = tiles + ((step + last_stage) & last_stage) * (X_TILE + W_TILE);
        Rows::fetch(x_fetched, to_copy, x + later.part(params), last_row, params.stride, later.first, index);
        if (Columns::copied) {
            Columns::fetch(w_fetched, to_copy + X_TILE, w, last_column, params, later.first, later.pass == 2, index);
        }
        close_copies();
        later = after<W>(later, begin, end);

        threadgroup const T* x_tile = reinterpret_cast<threadgroup const T*>(tiles + (step & last_stage) * (X_TILE + W_TILE));
        threadgroup const T* w_tile = x_tile + X_TILE;
        if (Products::asynchronous) {
            products.begin(x_tile, w_tile, simd_group);
        }
        if (Columns::ahead) {
            Columns::put(w_fetched, to_decode + X_TILE, params, next.first, index);
            Columns::fetch(
                w_fetched, to_decode + X_TILE, w, last_column, params, after<W>(next, begin, end).first, false, index);
        } else if (!Columns::copied) {
            Columns::fetch(w_fetched, to_decode + X_TILE, w, last_column, params, next.first, next.pass == 2, index);
        }
        if (!Products::asynchronous) {
            products.begin(x_tile, w_tile, simd_group);
        }

        Rows::put(x_fetched, to_copy, index);
        if (Columns::copied) {
            Columns::put(w_fetched, to_copy + X_TILE, params, later.first, index);
        } else if (!Columns::ahead) {
            Columns::put(w_fetched, to_decode + X_TILE, params, next.first, index);
        }
        wait_for_next(stages);
        products.end();
        publish_operands();
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    finish_copies();

    threadgroup float* scratch = reinterpret_cast<threadgroup float*>(tiles) + simd_group * (FRAGMENT * FRAGMENT);
#pragma unroll
    for (uint i = 0; i < Products::LEFT; ++i) {
#pragma unroll
        for (uint j = 0; j < Products::RIGHT; ++j) {
            const uint r = first_row + Products::row(i, simd_group);
            const uint c = first_column + Products::column(j, simd_group);
            if (r < params.rows && c < params.columns) {
                finish(
                    products.sums[i][j], out + ulong(r) * params.columns + c, params.columns, scale + r, params.rows - r,
                    params.columns - c, scratch, epilogue, lane);
            }
        }
    }
}

// The same for rows of weights of any length and at any address.
template <typename W, typename X, uint ROWS, uint COLUMNS>
METAL_FUNC void multiply_any(
    device const W* w, device const ushort* x, uint rows_of_x, device const float* scale, device X* out, uint epilogue, uint begin,
    uint end, constant Params& params, threadgroup ushort* tiles, uint2 position, uint index, uint simd_group, uint lane)
{
    constexpr bool by_alignment = Weights<W, COLUMNS, 128, true>::by_alignment;
    if (!by_alignment || (params.aligned && params.k % DEPTH == 0)) {
        multiply<W, X, ROWS, COLUMNS, 2, 2, true>(
            w, x, rows_of_x, scale, out, epilogue, begin, end, params, tiles, position, index, simd_group, lane);
    } else {
        multiply<W, X, ROWS, COLUMNS, 2, 2, !by_alignment>(
            w, x, rows_of_x, scale, out, epilogue, begin, end, params, tiles, position, index, simd_group, lane);
    }
}

// out[b, r, c] = scale[b, r] * sum over i of x[b, r, i] * w[b, c, i] for batches b; w is [batches, columns, k], out is [batches, rows, columns].
// x is one or two planes of halves or bfloats, as round_rows.metal makes them, of `padded` rows; scale has one value a row of these.
//
// Where threadgroups share k, out is [batches, splits, rows, columns] and has what each of them adds to a result.
//
// With experts, w is [experts, columns, k], and the rows of piece i of the results are multiplied with matrix experts[i]; where there is none of
// that number, these results are not written. Else experts is not read.
//
// out is f32, or halves, to which results are rounded once. With ADD of FUSED results are added to what is in it. With GATE, `second` are as many
// weights more, and out is silu(product with w) * product with second; else second is not read. Threadgroups share no k then, and with halves.
//
// Threadgroups of 128 threads: the grid is as many as there are pieces of a batch's results of the size that LARGE says, and that for each
// split of each batch; the tiles have 64 bytes for each row and for each column of a piece, and each of `stages`.
template <typename W, typename X>
kernel void mul_mm(
    device const W*      w       [[buffer(0)]],
    device const ushort* x       [[buffer(1)]],
    device const float*  scale   [[buffer(2)]],
    device const uint*   experts [[buffer(3)]],
    device X*            out     [[buffer(4)]],
    constant Params&     params  [[buffer(5)]],
    device const W*      second  [[buffer(6)]],
    threadgroup ushort*  tiles   [[threadgroup(0)]],
    uint3 position   [[threadgroup_position_in_grid]],
    uint  index      [[thread_index_in_threadgroup]],
    uint  simd_group [[simdgroup_index_in_threadgroup]],
    uint  lane       [[thread_index_in_simdgroup]])
{
    const uint batch = position.z / params.splits;
    uint matrix = batch;
    if (params.experts > 0) {
        matrix = experts[position.x];
        if (matrix >= params.experts) {
            return;
        }
    }
    const ulong of_matrix = ulong(matrix) * params.columns * row_stride<W>(params.k);
    w += of_matrix;
    const ulong before = ulong(batch) * params.rows;
    x += before * params.stride;
    scale += before;
    out += ulong(position.z) * params.rows * params.columns;
    const uint rows_of_x = params.padded - uint(before);
    const uint begin = position.z % params.splits * params.depth;
    const uint end = min(begin + params.depth, params.stride);
    // A gate's products wait in out for those that they meet, which the same threads make.
    const uint products = FUSED & GATE ? 2 : 1;
    for (uint i = 0; i < products; ++i) {
        uint epilogue = FUSED;
        if (FUSED & GATE) {
            epilogue = i == 0 ? KEEP : GATE;
            if (i == 1) {
                w = second + of_matrix;
                threadgroup_barrier(mem_flags::mem_threadgroup);
            }
        }
        if (LARGE) {
            multiply_any<W, X, 128, 128>(
                w, x, rows_of_x, scale, out, epilogue, begin, end, params, tiles, position.xy, index, simd_group, lane);
        } else {
            multiply_any<W, X, 64, 64>(
                w, x, rows_of_x, scale, out, epilogue, begin, end, params, tiles, position.xy, index, simd_group, lane);
        }
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("mul_mm_" #name "_f32")]] kernel decltype(mul_mm<type, float>) mul_mm<type, float>;
METTLE_FORMATS(INSTANTIATE)

#ifndef METTLE_AFFINE
template [[host_name("mul_mm_f16_f16")]] kernel decltype(mul_mm<half, half>) mul_mm<half, half>;
#endif
