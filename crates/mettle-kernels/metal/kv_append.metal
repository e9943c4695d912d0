// Appends keys and values to the cache.

#include <metal_stdlib>
#include <mettle/kv_rows.h>
#include <mettle/pages.h>

using namespace metal;
using namespace mettle_kernels;

#ifndef METTLE_TURBO
#pragma mettle variant(kv_append_*, PAGED = false)
#pragma mettle variant(kv_append_f16, PAGED = true)
#endif

struct Params {
    uint capacity;    // rows of each cache; if PAGED, those that a page table has room for
    uint ring;        // rows of the ring that the caches are, all of them; 0: the token at a position has row position
    uint columns;     // values of a row: kv heads * head size
    uint sequences;   // if PAGED: how many page tables there are
    uint pages;       // if PAGED: pages of a table
    uint page_shift;  // if PAGED: a page has 2^page_shift rows
};

// What keys and values of sixteen bits are appended to: the same functions as those of kv_rows.h for floats.
METAL_FUNC void put(device half* row, uint first, device const half* from, uint left)
{
    store_cached(row + first, load_next(from, left), left);
}

METAL_FUNC void put(device float* row, uint first, device const bfloat* from, uint left)
{
    store_cached(row + first, load_next(from, left), left);
}

// cache_k[positions[t], :] = k[t, :] and the same for v, converted to the format of the cache, for tokens t; k and v are
// [tokens, columns], the caches [capacity, columns]. A token whose position lies outside the cache is not stored. In a ring it is
// row positions[t] % capacity, and no position from 0 on is outside.
//
// If PAGED, the caches are [pages of the pool, 2^page_shift, columns], and token t goes to the row for its position of sequence
// sequence_of[t]: see pages.h. tables is [sequences, pages], with numbers of pages below those of the pool. A token at a position without a
// page is not stored. No two tokens go to the same row.
//
// One thread for sixteen columns of a token, or for a block: the grid is [ceil(columns / 16), tokens], or [columns / 32, tokens].
template <typename T, typename S>
kernel void kv_append(
    device const S*    k           [[buffer(0)]],
    device const S*    v           [[buffer(1)]],
    device T*          cache_k     [[buffer(2)]],
    device T*          cache_v     [[buffer(3)]],
    device const int*  positions   [[buffer(4)]],
    constant Params&   params      [[buffer(5)]],
    device const uint* tables      [[buffer(6)]],
    device const uint* sequence_of [[buffer(7)]],
    uint2 position [[thread_position_in_grid]])
{
    const int at = positions[position.y];
    uint capacity = params.capacity;
    const Places places =
        places_of(
            tables, sequence_of, position.y, params.sequences, params.pages, params.page_shift, params.ring, capacity);
    if (!places.has(at, capacity)) {
        return;
    }
    const uint first = format<T>::values * position.x;
    const uint left = params.columns - first;
    const ulong from = ulong(position.y) * params.columns + first;
    const ulong to = ulong(places.row_of(uint(at))) * row_stride<T>(params.columns);
    put(cache_k + to, first, k + from, left);
    put(cache_v + to, first, v + from, left);
}

#define INSTANTIATE(name, type) \
    template [[host_name("kv_append_" #name)]] kernel decltype(kv_append<type, float>) kv_append<type, float>;
METTLE_CACHE_FORMATS(INSTANTIATE)

#ifndef METTLE_TURBO
// Names end in the format of keys and values where that is not f32.
template [[host_name("kv_append_f16_f16")]] kernel decltype(kv_append<half, half>) kv_append<half, half>;
template [[host_name("kv_append_f32_bf16")]] kernel decltype(kv_append<float, bfloat>) kv_append<float, bfloat>;
#endif
