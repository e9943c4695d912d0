// The two numbers that gate the state of a gated delta net (Yang, Kautz and Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with
// Delta Rule", 2024): how much of it a token leaves, and how much the token writes.

#include <metal_stdlib>
#include <mettle/activations.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// How threads share heads: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(0)]];

#pragma mettle variant(cpu: decay_beta_f32, INTERLEAVED = false)
#pragma mettle variant(gpu: decay_beta_f32, INTERLEAVED = true)

struct Params {
    uint heads;
};

// log(1 + x) for x from 0 to 1, within a few units in the last place: 2 atanh(s) with s = x / (2 + x), which is at most 1/3. The first
// term that is left out is below 2^-28 of the sum.
METAL_FUNC wide log_one_plus(wide x)
{
    const wide s = x / (splat(2.0f) + x);
    const wide square = s * s;
    wide p = splat(1.0f / 15.0f);
    p = fma(p, square, splat(1.0f / 13.0f));
    p = fma(p, square, splat(1.0f / 11.0f));
    p = fma(p, square, splat(1.0f / 9.0f));
    p = fma(p, square, splat(1.0f / 7.0f));
    p = fma(p, square, splat(1.0f / 5.0f));
    p = fma(p, square, splat(1.0f / 3.0f));
    p = fma(p, square, splat(1.0f));
    return splat(2.0f) * s * p;
}

// log(1 + exp(x)) by an exponential that does not overflow: max(x, 0) + log(1 + exp(-|x|)).
METAL_FUNC wide softplus(wide x)
{
    const wide zero = splat(0.0f);
    return if_less(x, zero, zero, x) + log_one_plus(exp(zero - absolute(x)));
}

// log_decay[t, h] = rate[h] * softplus(a[t, h] + bias[h]), rate being -exp(A_log), and beta[t, h] = sigmoid(b[t, h]). All are
// [tokens, heads] but rate and bias, which are [heads]. Heads are those of values.
//
// One thread for sixteen heads of a token: the grid is [threads for the heads, tokens].
template <typename T>
kernel void decay_beta(
    device const T*     a         [[buffer(0)]],
    device const T*     b         [[buffer(1)]],
    device const float* bias      [[buffer(2)]],
    device const float* rate      [[buffer(3)]],
    device float*       log_decay [[buffer(4)]],
    device float*       beta      [[buffer(5)]],
    constant Params&    params    [[buffer(6)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint heads = params.heads;
    const ulong token = ulong(position.y) * heads;
    const wide step = softplus(load(a + token, at, heads) + load(bias, at, heads));
    store(log_decay + token, at, heads, load(rate, at, heads) * step);
    store(beta + token, at, heads, sigmoid(load(b + token, at, heads)));
}

#define INSTANTIATE(name, type) template [[host_name("decay_beta_" #name)]] kernel decltype(decay_beta<type>) decay_beta<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
