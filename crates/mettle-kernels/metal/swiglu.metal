// The gated activation of Llama-like feed-forward layers (Shazeer, "GLU Variants Improve Transformer", 2020).

#include <metal_stdlib>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

// 1 / (1 + exp(-x)), by exponentials that do not overflow: exp(x) / (1 + exp(x)) where x is negative.
METAL_FUNC wide sigmoid(wide x)
{
    const wide zero = splat(0.0f);
    const wide one = splat(1.0f);
    const wide e = exp(if_less(x, zero, x, zero - x));
    return if_less(x, zero, e, one) / (one + e);
}

struct Params {
    uint count;
};

// out[i] = silu(gate[i]) * up[i] with silu(x) = x / (1 + exp(-x)); `count` elements each.
//
// One thread for sixteen elements: the grid is ceil(count / 16) threads.
kernel void swiglu_f32(
    device const float* gate   [[buffer(0)]],
    device const float* up     [[buffer(1)]],
    device float*       out    [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint position [[thread_position_in_grid]])
{
    const uint first = WIDE * position;
    const uint left = params.count - first;
    const wide x = load_next(gate + first, left);
    const wide y = load_next(up + first, left);
    store_next(out + first, x * sigmoid(x) * y, left);
}
