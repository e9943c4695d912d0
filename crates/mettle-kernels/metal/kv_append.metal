// Appends keys and values to the cache.

#include <metal_stdlib>
#include <mettle/kv_rows.h>

using namespace metal;
using namespace mettle_kernels;

struct Params {
    uint capacity;  // rows of each cache
    uint columns;   // values of a row: kv heads * head size
};

// cache_k[positions[t], :] = k[t, :] and the same for v, converted to the format of the cache, for tokens t; k and v are
// [tokens, columns], the caches [capacity, columns]. A token whose position lies outside the cache is not stored.
//
// One thread for sixteen columns of a token, or for a block: the grid is [ceil(columns / 16), tokens], or [columns / 32, tokens].
template <typename T>
kernel void kv_append(
    device const float* k         [[buffer(0)]],
    device const float* v         [[buffer(1)]],
    device T*           cache_k   [[buffer(2)]],
    device T*           cache_v   [[buffer(3)]],
    device const int*   positions [[buffer(4)]],
    constant Params&    params    [[buffer(5)]],
    uint2 position [[thread_position_in_grid]])
{
    const int at = positions[position.y];
    if (at < 0 || uint(at) >= params.capacity) {
        return;
    }
    const uint first = format<T>::values * position.x;
    const uint left = params.columns - first;
    const ulong from = ulong(position.y) * params.columns + first;
    const ulong to = ulong(at) * row_stride<T>(params.columns);
    put(cache_k + to, first, k + from, left);
    put(cache_v + to, first, v + from, left);
}

#define INSTANTIATE(name, type) template [[host_name("kv_append_" #name)]] kernel decltype(kv_append<type>) kv_append<type>;
METTLE_CACHE_FORMATS(INSTANTIATE)
