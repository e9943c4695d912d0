// Keys and values of quantised caches as halves: what attention of many tokens multiplies by tiles. A tile is read by many threadgroups, and
// decoded once.

#include <metal_stdlib>
#include <mettle/launches.h>
#include <mettle/row_vectors.h>

using namespace metal;
using namespace mettle_kernels;

// Rows of a threadgroup.
constant constexpr uint ROWS = 8;

// Vectors that a thread asks for at a time.
constant constexpr uint VECTORS = 4;

struct Params {
    uint capacity;   // rows of the caches
    uint ring;       // rows of the ring that the caches are, all of them; 0: the token at a position has row position
    uint window;     // keys that a query sees, its own included; 0: all
    uint heads;      // of a row
    uint head_size;  // a multiple of the values of a block
    uint tokens;
};

// The rows from the first to the last that a token sees; of a ring all. Positions outside the cache see none. All lanes of a SIMD group call it.
static uint2 rows_seen(device const int* positions, constant Params& params, uint lane)
{
    if (params.ring != 0) {
        return uint2(0, params.capacity);
    }
    uint lowest = ~0u;
    uint highest = 0;
    for (uint t = lane; t < params.tokens; t += 32) {
        const int position = positions[t];
        if (position >= 0 && uint(position) < params.capacity) {
            lowest = min(lowest, uint(position));
            highest = max(highest, uint(position) + 1);
        }
    }
    lowest = simd_min(lowest);
    const uint window = params.window;
    return uint2(window != 0 && lowest >= window ? lowest - window + 1 : 0, simd_max(highest));
}

// Eight values rounded to half.
template <typename T>
METAL_FUNC uint4 halves_of(thread const Vector<T>& x, threadgroup const float* levels)
{
    uint4 pairs;
#pragma unroll
    for (uint i = 0; i < 4; ++i) {
        pairs[i] = as_type<uint>(half2(half(x.value(2 * i, levels)), half(x.value(2 * i + 1, levels))));
    }
    return pairs;
}

// to[j, :] = from[j, :] rounded to half, of keys and of values, for the rows from the first to the last that any of the tokens sees; others are
// not written. Caches and halves are [capacity, heads, head_size], of less than 2^32 vectors, the halves aligned to sixteen bytes.
//
// The grid is [ceil(capacity / ROWS), 2] threadgroups of whole SIMD groups: keys, then values.
template <typename T>
kernel void kv_to_half(
    device const T*    k         [[buffer(0)]],
    device const T*    v         [[buffer(1)]],
    device const int*  positions [[buffer(2)]],
    device half*       to_k      [[buffer(3)]],
    device half*       to_v      [[buffer(4)]],
    constant Params&   params    [[buffer(5)]],
    uint2 group_position [[threadgroup_position_in_grid]],
    uint2 threads        [[threads_per_threadgroup]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  lane           [[thread_index_in_simdgroup]])
{
    let_next_launch_begin();
    threadgroup float levels[Vector<T>::levels];
    if (Vector<T>::levels > 1) {
        Vector<T>::load_levels(levels, index, threads.x);
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    const uint2 seen = rows_seen(positions, params, lane);
    const uint first = max(group_position.x * ROWS, seen.x);
    const uint end = min((group_position.x + 1) * ROWS, seen.y);
    device const T* from = group_position.y == 0 ? k : v;
    device half* to = group_position.y == 0 ? to_k : to_v;
    const uint of_head = params.head_size / Vector<T>::values;
    const uint of_row = params.heads * of_head;
    for (uint i = first * of_row + index; i < end * of_row; i += VECTORS * threads.x) {
        Vector<T> vectors[VECTORS];
#pragma unroll
        for (uint j = 0; j < VECTORS; ++j) {
            const uint at = min(i + j * threads.x, end * of_row - 1);
            vectors[j].load(from, at / of_head * of_head, at % of_head);
        }
#pragma unroll
        for (uint j = 0; j < VECTORS; ++j) {
            const uint at = i + j * threads.x;
            if (at < end * of_row) {
                reinterpret_cast<device uint4*>(to)[at] = halves_of(vectors[j], levels);
            }
        }
    }
}

#define INSTANTIATE(name, type) \
    template [[host_name("kv_to_half_" #name)]] [[kernel]] decltype(kv_to_half<type>) kv_to_half<type>;
#ifdef METTLE_TURBO
INSTANTIATE(turbo, uint)
#else
INSTANTIATE(q8_0, block_q8_0)
INSTANTIATE(q4_0, block_q4_0)
#endif
