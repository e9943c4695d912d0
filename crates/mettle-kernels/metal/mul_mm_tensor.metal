// Matrix times matrix by the tensor operations of Metal 4, for prompts on GPUs that have units for them.
//
// Products and sums are those of mul_mm.metal, but that weights of f32 are multiplied as they are. Dense weights and x are multiplied where
// they lie; weights in blocks are decoded into threadgroup memory, tile by tile.

#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
#include <mettle/product.h>

using namespace metal;
using namespace mpp::tensor_ops;
using namespace mettle_kernels;

struct Params {
    uint rows;     // m, the rows of x that count, of each batch
    uint padded;   // the rows that x has
    uint columns;  // n, the rows of the weights
    uint k;        // the columns of the weights: whole blocks of a quantised format
    uint stride;   // values from one row of x to the next
    uint aligned;  // whether each row of weights starts at a multiple of sixteen bytes
    uint experts;  // matrices that w consists of, where each piece of rows has one of its own; else 0
    uint depth;    // values of k that a threadgroup goes through, a multiple of DEPTH
    uint splits;   // threadgroups that share the k of a piece of results
    uint head;     // columns of a head, for results that are apart by head
};

// Rows and columns of a piece of results, which a threadgroup computes.
constant constexpr uint PIECE = 64;

// SIMD groups of a threadgroup, and its threads.
constant constexpr uint SIMD_GROUPS = 4;
constant constexpr uint THREADS = 32 * SIMD_GROUPS;

// What is multiplied for weights of a type, and whether rows of x were scaled for it.
template <typename W>
struct factors {
    typedef typename product<W>::operand type;
    static constant constexpr uint planes = product<W>::passes;
    static constant constexpr bool scaled = true;
};

template <>
struct factors<float> {
    typedef float type;
    static constant constexpr uint planes = 1;
    static constant constexpr bool scaled = false;
};

// Rows of a matrix in memory, and how they lie: the operands of a product are tensors of elements that are not const.
typedef dextents<int, 2> Size;

template <typename T>
METAL_FUNC auto rows_of(device const T* first, uint columns, uint rows, uint stride)
{
    const array<int, 2> strides = {1, int(stride)};
    return tensor(const_cast<device T*>(first), Size(int(columns), int(rows)), strides);
}

// A product of which `K` is the depth, with sums that begin at zero.
template <int K>
using Multiply = matmul2d<
    matmul2d_descriptor(PIECE, PIECE, K, false, true, false, matmul2d_descriptor::mode::multiply_accumulate),
    execution_simdgroups<SIMD_GROUPS>>;

template <typename Sums>
METAL_FUNC void clear_sums(thread Sums& sums)
{
    for (ushort i = 0; i < sums.get_capacity(); ++i) {
        sums[i] = 0.0f;
    }
}

// Where results go: floats row by row, bfloats head by head, that is [columns / head, rows, head].
METAL_FUNC ulong place(float, uint row, uint column, constant Params& params)
{
    return ulong(row) * params.columns + column;
}

METAL_FUNC ulong place(bfloat, uint row, uint column, constant Params& params)
{
    return (ulong(column / params.head) * params.rows + row) * params.head + column % params.head;
}

template <bool SCALED, typename Out, typename Sums>
METAL_FUNC void store(
    thread Sums& sums, device Out* out, device const float* scale, uint first_row, uint first_column, constant Params& params)
{
    for (ushort i = 0; i < sums.get_capacity(); ++i) {
        if (!sums.is_valid_element(i)) {
            continue;
        }
        const auto at = sums.get_multidimensional_index(i);
        const uint row = first_row + uint(at[1]);
        const uint column = first_column + uint(at[0]);
        if (row < params.rows && column < params.columns) {
            out[place(Out(0), row, column, params)] = Out(SCALED ? scale[row] * sums[i] : sums[i]);
        }
    }
}

// A piece of results from values `begin` to `end` of k. w and x begin with its first row and column, out and scale with those of all.
template <typename W, typename Out, bool DENSE>
struct Piece {
    // Weights as they are.
    static METAL_FUNC void compute(
        device const W* w, device const typename factors<W>::type* x, uint rows, uint columns, uint begin, uint end,
        device const float* scale, device Out* out, uint first_row, uint first_column, constant Params& params, threadgroup half*,
        uint)
    {
        Multiply<int(dynamic_extent)> multiply;
        auto weights = rows_of(w + begin, end - begin, columns, params.k);
        auto left = rows_of(x + begin, end - begin, rows, params.stride);
        auto sums = multiply.template get_destination_cooperative_tensor<decltype(left), decltype(weights), float>();
        clear_sums(sums);
        multiply.run(left, weights, sums);
        for (uint plane = 1; plane < factors<W>::planes; ++plane) {
            auto rest = rows_of(x + begin + ulong(plane) * params.padded * params.stride, end - begin, rows, params.stride);
            multiply.run(rest, weights, sums);
        }
        store<factors<W>::scaled>(sums, out, scale, first_row, first_column, params);
    }
};

template <typename W, typename Out>
struct Piece<W, Out, false> {
    // Sixteen weights of a thread, whose neighbour has the other half of a row of the tile.
    static METAL_FUNC wide fetch(device const W* w, uint columns, uint first, constant Params& params, uint index)
    {
        constexpr uint PARTS = DEPTH / WIDE;
        static_assert(PIECE * PARTS == THREADS, "each thread decodes sixteen weights");
        device const W* row = w + ulong(min(index / PARTS, columns - 1)) * row_stride<W>(params.k);
        return sixteen(row, first + index % PARTS * WIDE, params.k, params.aligned);
    }

    static METAL_FUNC void put(wide weights, threadgroup half* tile, uint index)
    {
        threadgroup uint4* to = reinterpret_cast<threadgroup uint4*>(tile + index * WIDE);
        to[0] = chunk_of<half>(weights, 0, false);
        to[1] = chunk_of<half>(weights, CHUNK, false);
    }

    // Weights decoded to halves, DEPTH values of k at a time, while those before are multiplied.
    static METAL_FUNC void compute(
        device const W* w, device const half* x, uint rows, uint columns, uint begin, uint end, device const float* scale,
        device Out* out, uint first_row, uint first_column, constant Params& params, threadgroup half* tiles, uint index)
    {
        Multiply<int(DEPTH)> multiply;
        const extents<int, DEPTH, PIECE> size;
        auto weights = tensor(tiles, size);
        auto left = rows_of(x + begin, DEPTH, rows, params.stride);
        auto sums = multiply.template get_destination_cooperative_tensor<decltype(left), decltype(weights), float>();
        clear_sums(sums);
        put(fetch(w, columns, begin, params, index), tiles, index);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        uint now = 0;
        for (uint first = begin; first < end; first += DEPTH) {
            const uint next = first + DEPTH;
            const wide fetched = next < end ? fetch(w, columns, next, params, index) : splat(0.0f);
            auto right = tensor(tiles + now * (PIECE * DEPTH), size);
            auto part = rows_of(x + first, DEPTH, rows, params.stride);
            multiply.run(part, right, sums);
            now = 1 - now;
            put(fetched, tiles + now * (PIECE * DEPTH), index);
            threadgroup_barrier(mem_flags::mem_threadgroup);
        }
        store<true>(sums, out, scale, first_row, first_column, params);
    }
};

// out[b, r, c] = scale[b, r] * sum over i of x[b, r, i] * w[b, c, i] for batches b; w is [batches, columns, k]. x is one or two planes of halves
// or bfloats, as round_rows.metal makes them, of `padded` rows, with one value of scale each; for weights of f32 it is rows of floats, and
// scale is not read. out is floats, [batches, rows, columns], or bfloats, [batches, columns / head, rows, head].
//
// Where threadgroups share k, out is [batches, splits, rows, columns] and has what each of them adds to a result; not with bfloats.
//
// With experts, w is [experts, columns, k], and the rows of piece i of the results are multiplied with matrix experts[i]; where there is none of
// that number, these results are not written. Else experts is not read.
//
// Threadgroups of 128 threads: the grid is as many as there are pieces of 64 x 64 of a batch's results, and that for each split of each
// batch. The tiles are two of 64 x 32 halves; dense weights need none.
template <typename W, typename Out>
[[kernel]] void mul_mm_tensor(
    device const W*      w       [[buffer(0)]],
    device const ushort* x       [[buffer(1)]],
    device const float*  scale   [[buffer(2)]],
    device const uint*   experts [[buffer(3)]],
    device Out*          out     [[buffer(4)]],
    constant Params&     params  [[buffer(5)]],
    threadgroup half*    tiles   [[threadgroup(0)]],
    uint3 position [[threadgroup_position_in_grid]],
    uint  index    [[thread_index_in_threadgroup]])
{
    const uint batch = position.z / params.splits;
    uint matrix = batch;
    if (params.experts > 0) {
        matrix = experts[position.x];
        if (matrix >= params.experts) {
            return;
        }
    }
    const uint first_row = position.x * PIECE;
    const uint first_column = position.y * PIECE;
    const uint before = batch * params.rows + first_row;
    const uint begin = position.z % params.splits * params.depth;
    device const typename factors<W>::type* rows = reinterpret_cast<device const typename factors<W>::type*>(x);
    Piece<W, Out, format<W>::dense>::compute(
        w + (ulong(matrix) * params.columns + first_column) * row_stride<W>(params.k), rows + ulong(before) * params.stride,
        min(PIECE, params.padded - before), min(PIECE, params.columns - first_column), begin, min(begin + params.depth, params.k),
        scale + batch * params.rows, out + ulong(position.z) * params.rows * params.columns, first_row, first_column, params, tiles,
        index);
}

#define INSTANTIATE(name, type)                                 \
    template [[host_name("mul_mm_tensor_" #name "_f32")]]       \
    [[kernel]] decltype(mul_mm_tensor<type, float>) mul_mm_tensor<type, float>; \
    template [[host_name("mul_mm_tensor_" #name "_bf16")]]      \
    [[kernel]] decltype(mul_mm_tensor<type, bfloat>) mul_mm_tensor<type, bfloat>;
METTLE_FORMATS(INSTANTIATE)
