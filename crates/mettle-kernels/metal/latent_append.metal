// Queries and keys of latent attention (DeepSeek-AI, "DeepSeek-V2", 2024), put together of two parts each: one that has no place in the
// text, as wide as what the cache keeps of a token for all heads, and one that is rotated by it, which all heads' keys have in common.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/norm.h>
#include <mettle/rotary.h>

using namespace metal;
using namespace mettle_kernels;

// One thread makes a row by itself (CPU) instead of a threadgroup together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

#pragma mettle variant(cpu: latent_append_*, ROW_PER_THREAD = true)
#pragma mettle variant(gpu: latent_append_*, ROW_PER_THREAD = false)

struct Params {
    uint tokens;
    uint query_tokens;  // that have queries: the last ones
    uint heads;         // of the queries
    uint rank;          // values of the first part
    uint dims;          // of the rotated one, even
    uint capacity;      // rows of the cache
    uint interleaved;   // as in rope.metal
    float scale;        // of the rotated values
    float eps;
};

// Rotates a part by the angles of a position.
template <typename T>
METAL_FUNC void turn(
    Group group, device const float* from, int position, device const float* frequencies, constant Params& params,
    device T* to)
{
    for (uint pair = group.thread_index; pair < params.dims / 2; pair += group.threads) {
        const Turn turn = turn_at(position, frequencies[pair], params.scale);
        const uint2 at = pair_at(pair, params.dims, params.interleaved != 0);
        const float2 values = turned(float2(from[at.x], from[at.y]), turn);
        to[at.x] = T(values.x);
        to[at.y] = T(values.y);
    }
}

// cache[positions[t], :] = [latent[t, :] * weight / sqrt(mean of latent[t, :]^2 + eps), turned(rotary_key[t, :])] for every token, converted
// to the type of the cache, and query[n, h, :] = [absorbed[n, h, :], turned(rotary_query[n, h, :])] for every head of query token n, the token
// tokens - query_tokens + n. latent is [tokens, rank], rotary_key is [tokens, dims], absorbed is [query_tokens, heads, rank], rotary_query is
// [query_tokens, heads, dims], frequencies is [dims / 2] as in rope.metal, cache is [capacity, rank + dims], query is
// [query_tokens, heads, rank + dims]. A token whose position lies outside the cache is not stored.
//
// One thread (ROW_PER_THREAD) or threadgroup for each row: those of keys, then those of queries.
template <typename T>
kernel void latent_append(
    device const float* latent       [[buffer(0)]],
    device const float* weight       [[buffer(1)]],
    device const float* rotary_key   [[buffer(2)]],
    device const float* absorbed     [[buffer(3)]],
    device const float* rotary_query [[buffer(4)]],
    device const int*   positions    [[buffer(5)]],
    device const float* frequencies  [[buffer(6)]],
    device T*           cache        [[buffer(7)]],
    device float*       query        [[buffer(8)]],
    constant Params&    params       [[buffer(9)]],
    uint thread_position [[thread_position_in_grid]],
    uint group_position  [[threadgroup_position_in_grid]],
    uint thread_index    [[thread_index_in_threadgroup]],
    uint threads         [[threads_per_threadgroup]],
    uint lane            [[thread_index_in_simdgroup]],
    uint simd_group      [[simdgroup_index_in_threadgroup]],
    uint simd_groups     [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group =
        ROW_PER_THREAD ? lone_thread() : Group{thread_index, threads, lane, simd_group, simd_groups, scratch};
    const uint row = ROW_PER_THREAD ? thread_position : group_position;
    const uint rank = params.rank;
    const uint columns = rank + params.dims;
    if (row < params.tokens) {
        const int position = positions[row];
        if (position < 0 || uint(position) >= params.capacity) {
            return;
        }
        latent += ulong(row) * rank;
        cache += ulong(position) * columns;
        const wide scale = splat(rms_scale(group, latent, rank, params.eps));
        for (uint i = group.thread_index; i < sixteens_of(group, rank); i += group.threads) {
            const Sixteen at = sixteen_of(group, i);
            store(cache, at, rank, weighted(load(latent, at, rank) * scale, weight, at, rank, TIMES));
        }
        turn(group, rotary_key + ulong(row) * params.dims, position, frequencies, params, cache + rank);
        return;
    }
    const uint of_query = row - params.tokens;
    const uint token = params.tokens - params.query_tokens + of_query / params.heads;
    absorbed += ulong(of_query) * rank;
    query += ulong(of_query) * columns;
    for (uint i = group.thread_index; i < sixteens_of(group, rank); i += group.threads) {
        const Sixteen at = sixteen_of(group, i);
        store(query, at, rank, load(absorbed, at, rank));
    }
    turn(group, rotary_query + ulong(of_query) * params.dims, positions[token], frequencies, params, query + rank);
}

template [[host_name("latent_append_f32")]] kernel decltype(latent_append<float>) latent_append<float>;
template [[host_name("latent_append_f16")]] kernel decltype(latent_append<half>) latent_append<half>;
template [[host_name("latent_append_bf16")]] kernel decltype(latent_append<bfloat>) latent_append<bfloat>;
