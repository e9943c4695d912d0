// Rotary position embedding (Su et al., "RoFormer", 2021).

#include <metal_stdlib>
#include <mettle/rotary.h>

using namespace metal;
using namespace mettle_kernels;

// Each token has several positions, such as those of an image's patch in time, height and width, of which each pair of elements has one
// (Wang et al., "Qwen2-VL", 2024).
constant bool MULTI [[function_constant(0)]];

#pragma mettle variant(rope_f32, MULTI = false)

struct Params {
    uint tokens;
    uint heads;
    uint head_size;
    uint dims;        // rotated dimensions of a head, even; the rest stay as they are
    uint interleaved; // 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    float scale;      // of the rotated values: the attention factor of YaRN, else 1
};

// In place, for every token t, head h and pair i < dims / 2 with elements a and b:
//   a' = scale * (a cos(angle) - b sin(angle)),  b' = scale * (a sin(angle) + b cos(angle))
// where angle = positions[t] * frequencies[i], or positions[streams[i], t] * frequencies[i] with MULTI. x is [tokens, heads, head_size],
// positions is [tokens], or [any, tokens] with MULTI, frequencies is [dims / 2]: base^(-2i / dims), with any scaling of the context folded
// in; streams is [dims / 2] and not read without MULTI.
//
// Threads [pair, token, z] rotate heads z, z + Z, ... of the grid [dims / 2, tokens, Z]: on a GPU Z = heads; on a CPU
// Z = 1, where the sine and cosine cost more than what they are used for.
template <typename T>
kernel void rope(
    device T*           x           [[buffer(0)]],
    device const int*   positions   [[buffer(1)]],
    device const float* frequencies [[buffer(2)]],
    device const uint*  streams     [[buffer(3)]],
    constant Params&    params      [[buffer(4)]],
    uint3 thread_position [[thread_position_in_grid]],
    uint3 grid            [[threads_per_grid]])
{
    const uint pair = thread_position.x;
    const uint token = thread_position.y;
    const int position = positions[MULTI ? ulong(streams[pair]) * params.tokens + token : ulong(token)];
    const Turn turn = turn_at(position, frequencies[pair], params.scale);
    const uint2 at = pair_at(pair, params.dims, params.interleaved != 0);
    for (uint head = thread_position.z; head < params.heads; head += grid.z) {
        device T* values = x + (ulong(token) * params.heads + head) * params.head_size;
        const float2 pair_turned = turned(float2(float(values[at.x]), float(values[at.y])), turn);
        values[at.x] = T(pair_turned.x);
        values[at.y] = T(pair_turned.y);
    }
}

#define INSTANTIATE(name, type) template [[host_name("rope_" #name)]] kernel decltype(rope<type>) rope<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
