// Heads of queries and keys, normalised one by one and rotated, in place: what rms_norm and rope do one after the other, for both in one launch.

#include <metal_stdlib>
#include <mettle/launches.h>
#include <mettle/norm.h>
#include <mettle/rotary.h>

using namespace metal;
using namespace mettle_kernels;

// One thread takes a head by itself (CPU) instead of a SIMD group together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Whether heads are normalised.
constant bool NORM [[function_constant(1)]];

// What a normalised value is multiplied by, of the values of mettle/norm.h.
constant uint WEIGHT [[function_constant(2)]];

#pragma mettle variant(cpu: head_norm_rope_f32, ROW_PER_THREAD = true, NORM = true, WEIGHT = 1)
#pragma mettle variant(gpu: head_norm_rope_f32, ROW_PER_THREAD = false, NORM = true, WEIGHT = 1)

struct Params {
    uint query_heads;
    uint key_heads;
    uint head_size;
    uint dims;         // rotated dimensions of a head, even, none if zero; the rest are not rotated
    uint interleaved;  // 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    float scale;       // of the rotated values: the attention factor of YaRN, else 1
    float eps;         // of the norms
};

// Value i of a head, normalised and weighted.
template <typename T>
METAL_FUNC float normed(device const T* head, device const T* weight, float scale, uint i)
{
    const float value = float(head[i]);
    if (!NORM) {
        return value;
    }
    const float by = WEIGHT == UNWEIGHTED ? 1.0f : float(weight[i]);
    return value * scale * (WEIGHT == TIMES_ONE_PLUS ? 1.0f + by : by);
}

// Each head h of a token t becomes rope(rms_norm(h) * w): see rms_norm.metal and rope.metal. query is [tokens, query_heads, head_size], key is
// [tokens, key_heads, head_size], their weights are [head_size] and not read without NORM and WEIGHT, positions is [tokens], frequencies is
// [dims / 2].
//
// One thread (ROW_PER_THREAD) or threadgroup of one SIMD group for each head: the grid is [query_heads + key_heads, tokens].
template <typename T>
kernel void head_norm_rope(
    device T*           query        [[buffer(0)]],
    device T*           key          [[buffer(1)]],
    device const T*     query_weight [[buffer(2)]],
    device const T*     key_weight   [[buffer(3)]],
    device const int*   positions    [[buffer(4)]],
    device const float* frequencies  [[buffer(5)]],
    constant Params&    params       [[buffer(6)]],
    uint2 thread_position [[thread_position_in_grid]],
    uint2 group_position  [[threadgroup_position_in_grid]],
    uint  lane            [[thread_index_in_simdgroup]])
{
    let_next_launch_begin();
    const Group group = ROW_PER_THREAD ? lone_thread() : Group{lane, 32, lane, 0, 1, nullptr};
    const uint2 place = ROW_PER_THREAD ? thread_position : group_position;
    const bool is_key = place.x >= params.query_heads;
    const uint size = params.head_size;
    device T* head = is_key
        ? key + (ulong(place.y) * params.key_heads + place.x - params.query_heads) * size
        : query + (ulong(place.y) * params.query_heads + place.x) * size;
    device const T* from = head;
    device const T* weight = is_key ? key_weight : query_weight;

    // Each thread replaces what only it reads from here on.
    const float scale = NORM ? rms_scale(group, from, size, params.eps) : 1.0f;
    for (uint i = group.thread_index; i < params.dims / 2; i += group.threads) {
        const Turn turn = turn_at(positions[place.y], frequencies[i], params.scale);
        const uint2 at = pair_at(i, params.dims, params.interleaved != 0);
        const float2 pair = float2(normed(from, weight, scale, at.x), normed(from, weight, scale, at.y));
        const float2 pair_turned = turned(pair, turn);
        head[at.x] = T(pair_turned.x);
        head[at.y] = T(pair_turned.y);
    }
    for (uint i = params.dims + group.thread_index; i < size; i += group.threads) {
        head[i] = T(normed(from, weight, scale, i));
    }
}

#define INSTANTIATE(name, type) template [[host_name("head_norm_rope_" #name)]] kernel decltype(head_norm_rope<type>) head_norm_rope<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
