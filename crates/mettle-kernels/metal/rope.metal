// Rotary position embedding (Su et al., "RoFormer", 2021).

#include <metal_stdlib>

using namespace metal;

struct Params {
    uint heads;
    uint head_size;
    uint dims;        // rotated dimensions of a head, even; the rest stay as they are
    uint interleaved; // 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    float scale;      // of the rotated values: the attention factor of YaRN, else 1
};

// position * frequency, less a multiple of 2 pi, within [-pi, pi].
//
// The product of two f32 is exact as a sum of two f32, and 2 pi is taken in two parts, so that the angle is as exact as
// an f32 of its size can be whatever the position: at position 32768 a rounded product is off by a thousandth.
static float reduced_angle(int position, float frequency)
{
    const float p = float(position);
    const float angle = p * frequency;
    const float rest = fma(p, frequency, -angle);
    const float turns = rint(angle * 0.15915494f);
    const float upper = fma(turns, -6.28318548f, angle);
    return fma(turns, 1.74845553e-7f, upper) + rest;
}

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
    const float angle = reduced_angle(positions[token], frequencies[pair]);
    const float c = params.scale * precise::cos(angle);
    const float s = params.scale * precise::sin(angle);

    const uint first = params.interleaved ? 2 * pair : pair;
    const uint second = params.interleaved ? 2 * pair + 1 : pair + params.dims / 2;
    for (uint head = thread_position.z; head < params.heads; head += grid.z) {
        device float* at = x + (ulong(token) * params.heads + head) * params.head_size;
        const float a = at[first];
        const float b = at[second];
        at[first] = a * c - b * s;
        at[second] = a * s + b * c;
    }
}
