// Functions of single values: activations, exponentials, soft caps, scaling.

#include <metal_stdlib>
#include <mettle/activations.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// The function, of the values below.
constant uint FUNCTION [[function_constant(0)]];

// How threads share values: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(1)]];

// x / (1 + exp(-x)).
constant constexpr uint SILU = 0;
// x (1 + erf(x / sqrt(2))) / 2.
constant constexpr uint GELU_ERF = 1;
// Its approximation by a hyperbolic tangent.
constant constexpr uint GELU_TANH = 2;
// 1 / (1 + exp(-x)).
constant constexpr uint SIGMOID = 3;
// tanh(x / factor) factor.
constant constexpr uint SOFTCAP = 4;
// e^x.
constant constexpr uint EXP = 5;
// x factor.
constant constexpr uint SCALE = 6;

#pragma mettle variant(cpu: unary_*f32, FUNCTION = 0, INTERLEAVED = false)
#pragma mettle variant(gpu: unary_*f32, FUNCTION = 0, INTERLEAVED = true)
// Caps of logits.
#pragma mettle variant(cpu: unary_assign_f32, FUNCTION = 4, INTERLEAVED = false)
#pragma mettle variant(gpu: unary_assign_f32, FUNCTION = 4, INTERLEAVED = true)

struct Params {
    uint count;
    float factor;  // of SOFTCAP and SCALE
};

METAL_FUNC wide apply(wide x, float factor)
{
    switch (FUNCTION) {
        case SILU: return silu(x);
        case GELU_ERF: return gelu_erf(x);
        case GELU_TANH: return gelu_tanh(x);
        case SIGMOID: return sigmoid(x);
        case SOFTCAP: return softcap(x, factor);
        case EXP: return exp(x);
        default: return x * splat(factor);
    }
}

// out[i] = f(x[i]), f being FUNCTION; `count` elements each.
//
// One thread for sixteen elements.
template <typename T>
kernel void unary(
    device const T*  x      [[buffer(0)]],
    device T*        out    [[buffer(1)]],
    constant Params& params [[buffer(2)]],
    uint position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position, INTERLEAVED);
    store(out, at, params.count, apply(load(x, at, params.count), params.factor));
}

// The same in place.
template <typename T>
kernel void unary_assign(
    device T*        x      [[buffer(0)]],
    constant Params& params [[buffer(1)]],
    uint position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position, INTERLEAVED);
    device const T* from = x;
    store(x, at, params.count, apply(load(from, at, params.count), params.factor));
}

#define INSTANTIATE(name, type)                                                                       \
    template [[host_name("unary_" #name)]] kernel decltype(unary<type>) unary<type>;                  \
    template [[host_name("unary_assign_" #name)]] kernel decltype(unary_assign<type>) unary_assign<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)
