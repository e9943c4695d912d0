// Appends keys and values to the cache.

#include <metal_stdlib>

using namespace metal;

struct Params {
    uint capacity;  // rows of each cache
    uint columns;   // values of a row: kv heads * head size
};

// cache_k[positions[t], :] = k[t, :] and the same for v, converted to the type of the cache, for tokens t; k and v are
// [tokens, columns], the caches [capacity, columns]. A token whose position lies outside the cache is not stored.
//
// One thread for each element: the grid is [columns, tokens].
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
    const ulong from = ulong(position.y) * params.columns + position.x;
    const ulong to = ulong(at) * params.columns + position.x;
    cache_k[to] = T(k[from]);
    cache_v[to] = T(v[from]);
}

template [[host_name("kv_append_f32")]] kernel decltype(kv_append<float>) kv_append<float>;
template [[host_name("kv_append_f16")]] kernel decltype(kv_append<half>) kv_append<half>;
