// The gated activation of Llama-like feed-forward layers (Shazeer, "GLU Variants Improve Transformer", 2020).

#include <metal_stdlib>
#include <mettle/activations.h>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

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
    store_next(out + first, silu(x) * y, left);
}
