// Causal depthwise convolution over tokens, then silu: what mixes neighbouring tokens in front of linear attention
// (Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023, figure 3).
//
// out[t, c] = silu(sum over j < 4 of w[c, j] * x[t - 3 + j, c]). What lies before the first token comes from the state, [3, channels]: the last
// three tokens that were read before, oldest first.

#include <metal_stdlib>
#include <mettle/activations.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// How threads share channels: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(0)]];

#pragma mettle variant(cpu: ssm_conv_*f32, INTERLEAVED = false)
#pragma mettle variant(gpu: ssm_conv_*f32, INTERLEAVED = true)

constant constexpr uint TAPS = 4;
// Tokens of the state.
constant constexpr uint KEPT = TAPS - 1;

struct Params {
    uint channels;
    uint tokens;
    uint stride;   // of the rows of x, in values
    uint stretch;  // tokens that a thread goes through, in ssm_conv
};

// Taps number `tap` of the channels at `at`.
METAL_FUNC wide load_taps(device const float* weight, Sixteen at, uint tap, uint channels)
{
    wide taps = splat(0.0f);
    for (uint i = 0; i < WIDE; ++i) {
        const uint channel = at.first + i * at.step;
        if (channel < channels) {
            set_element(taps, i, weight[ulong(channel) * TAPS + tap]);
        }
    }
    return taps;
}

// The channels at `at` of token `t`, which may be up to three before the first.
template <typename T>
METAL_FUNC wide load_token(device const T* x, device const T* state, int t, Sixteen at, constant Params& params)
{
    return t < 0 ? load(state + ulong(t + int(KEPT)) * params.channels, at, params.channels)
                 : load(x + ulong(t) * params.stride, at, params.channels);
}

// Many tokens; the state is left as it is, as other threads may still read it: ssm_conv_append renews it. x is [tokens, channels] with or
// without gaps between its rows, weight is [channels, 4], state is [3, channels], out is [tokens, channels].
//
// One thread for sixteen channels of a stretch of tokens: the grid is [threads for the channels, stretches].
template <typename T>
kernel void ssm_conv(
    device const T*     x      [[buffer(0)]],
    device const float* weight [[buffer(1)]],
    device const T*     state  [[buffer(2)]],
    device T*           out    [[buffer(3)]],
    constant Params&    params [[buffer(4)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint channels = params.channels;
    wide taps[TAPS];
    for (uint tap = 0; tap < TAPS; ++tap) {
        taps[tap] = load_taps(weight, at, tap, channels);
    }
    const uint first = position.y * params.stretch;
    const uint last = min(first + params.stretch, params.tokens);
    wide third = load_token(x, state, int(first) - 3, at, params);
    wide second = load_token(x, state, int(first) - 2, at, params);
    wide before = load_token(x, state, int(first) - 1, at, params);
    for (uint t = first; t < last; ++t) {
        const wide now = load(x + ulong(t) * params.stride, at, channels);
        const wide sum = fma(taps[3], now, fma(taps[2], before, fma(taps[1], second, taps[0] * third)));
        store(out + ulong(t) * channels, at, channels, silu(sum));
        third = second;
        second = before;
        before = now;
    }
}

// Makes the last three of the tokens before and those of x the state. Shapes are those of ssm_conv.
//
// One thread for sixteen channels.
template <typename T>
kernel void ssm_conv_append(
    device const T*  x      [[buffer(0)]],
    device T*        state  [[buffer(1)]],
    constant Params& params [[buffer(2)]],
    uint position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position, INTERLEAVED);
    // Few tokens move rows of the state up: a row is read before it is written.
    device const T* before = state;
    for (uint kept = 0; kept < KEPT; ++kept) {
        const int t = int(params.tokens) - int(KEPT) + int(kept);
        store(state + ulong(kept) * params.channels, at, params.channels, load_token(x, before, t, at, params));
    }
}

// One token, and the state with it. Shapes are those of ssm_conv.
//
// One thread for sixteen channels.
template <typename T>
kernel void ssm_conv_step(
    device const T*     x      [[buffer(0)]],
    device const float* weight [[buffer(1)]],
    device T*           state  [[buffer(2)]],
    device T*           out    [[buffer(3)]],
    constant Params&    params [[buffer(4)]],
    uint position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position, INTERLEAVED);
    const uint channels = params.channels;
    const wide now = load(x, at, channels);
    wide sum = load_taps(weight, at, KEPT, channels) * now;
    device const T* kept = state;
    for (uint tap = 0; tap < KEPT; ++tap) {
        const wide before = load(kept + ulong(tap) * channels, at, channels);
        sum = fma(load_taps(weight, at, tap, channels), before, sum);
        if (tap > 0) {
            store(state + ulong(tap - 1) * channels, at, channels, before);
        }
    }
    store(state + ulong(KEPT - 1) * channels, at, channels, now);
    store(out, at, channels, silu(sum));
}

#define INSTANTIATE(name, type)                                                                                 \
    template [[host_name("ssm_conv_" #name)]] kernel decltype(ssm_conv<type>) ssm_conv<type>;                   \
    template [[host_name("ssm_conv_append_" #name)]] kernel decltype(ssm_conv_append<type>) ssm_conv_append<type>; \
    template [[host_name("ssm_conv_step_" #name)]] kernel decltype(ssm_conv_step<type>) ssm_conv_step<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
