// Rotary position embedding (Su et al., "RoFormer", 2021).

#include <metal_stdlib>
#include <mettle/rotary.h>

using namespace metal;
using namespace mettle_kernels;

struct Params {
    uint heads;
    uint head_size;
    uint dims;        // rotated dimensions of a head, even; the rest stay as they are
    uint interleaved; // 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    float scale;      // of the rotated values: the attention factor of YaRN, else 1
};

// In place, for every token t, head h and pair i < dims / 2 with elements a and b:
//   a' = scale * (a cos(angle) - b sin(angle)),  b' = scale * (a sin(angle) + b cos(angle))
// where angle = positions[t] * frequencies[i]. x is [tokens, heads, head_size], positions is [tokens], frequencies is
// [dims / 2]: base^(-2i / dims), with any scaling of the context folded in.
//
// Threads [pair, token, z] rotate heads z, z + Z, ... of the grid [dims / 2, tokens, Z]: on a GPU Z = heads; on a CPU
// Z = 1, where the sine and cosine cost more than what they are used for.
kernel void rope_f32(
    device float*       x           [[buffer(0)]],
    device const int*   positions   [[buffer(1)]],
    device const float* frequencies [[buffer(2)]],
    constant Params&    params      [[buffer(3)]],
    uint3 thread_position [[thread_position_in_grid]],
    uint3 grid            [[threads_per_grid]])
{
    const uint pair = thread_position.x;
    const uint token = thread_position.y;
    const Turn turn = turn_at(positions[token], frequencies[pair], params.scale);
    const uint2 at = pair_at(pair, params.dims, params.interleaved != 0);
    for (uint head = thread_position.z; head < params.heads; head += grid.z) {
        device float* values = x + (ulong(token) * params.heads + head) * params.head_size;
        const float2 pair_turned = turned(float2(values[at.x], values[at.y]), turn);
        values[at.x] = pair_turned.x;
        values[at.y] = pair_turned.y;
    }
}
