// What training does besides running a model forwards and backwards: gradients of weights and of embeddings, and steps.

#include <metal_stdlib>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// How threads share values: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(0)]];

#pragma mettle variant(cpu: training_*, INTERLEAVED = false)
#pragma mettle variant(gpu: training_*, INTERLEAVED = true)

struct Params {
    uint columns;      // of a row of what is written, or all values of a step
    uint rows;         // of x of an outer product, or of the table
    uint tokens;
    float rate;        // of a step
    float beta1;       // of the mean of gradients
    float beta2;       // of the mean of their squares
    float correction1; // 1 / (1 - beta1^t) in step t
    float correction2; // 1 / (1 - beta2^t)
    float eps;
    float decay;       // of weights, besides
};

// dw[i, j] += sum over t of x[t, i] y[t, j]: for one token an outer product, for more the gradient of weights whose outputs have the gradients
// x and whose inputs were y. x is [tokens, rows], y is [tokens, columns], dw is [rows, columns].
//
// One thread for sixteen columns of a row, which goes through all tokens: so sums have one order.
kernel void training_outer_f32(
    device const float* x      [[buffer(0)]],
    device const float* y      [[buffer(1)]],
    device float*       dw     [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint columns = params.columns;
    device float* row = dw + ulong(position.y) * columns;
    device const float* before = row;
    wide total = splat(0.0f);
    for (uint t = 0; t < params.tokens; ++t) {
        const wide factor = splat(x[ulong(t) * params.rows + position.y]);
        total = fma(factor, load(y + ulong(t) * columns, at, columns), total);
    }
    store(row, at, columns, load(before, at, columns) + total);
}

// dtable[ids[t], :] += dy[t, :] for all tokens t: of rows that tokens have chosen of a table. dy is [tokens, columns], ids is [tokens], dtable is
// [rows, columns]. Tokens whose id is not below `rows` are left out.
//
// One thread for sixteen columns of a token. The first token with an id adds up those of all: so no row has two that write, and sums have one
// order.
kernel void training_scatter_add_f32(
    device const float* dy     [[buffer(0)]],
    device const uint*  ids    [[buffer(1)]],
    device float*       dtable [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint columns = params.columns;
    const uint id = ids[position.y];
    if (id >= params.rows) {
        return;
    }
    for (uint t = 0; t < position.y; ++t) {
        if (ids[t] == id) {
            return;
        }
    }
    wide total = splat(0.0f);
    for (uint t = position.y; t < params.tokens; ++t) {
        if (ids[t] == id) {
            total = total + load(dy + ulong(t) * columns, at, columns);
        }
    }
    device float* row = dtable + ulong(id) * columns;
    device const float* before = row;
    store(row, at, columns, load(before, at, columns) + total);
}

// A step of Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015) with weight decay of its own (Loshchilov and Hutter,
// "Decoupled Weight Decay Regularization", 2019):
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
//   w -= rate (correction1 m / (sqrt(correction2 v) + eps) + decay w).
// All have `columns` values.
//
// One thread for sixteen values.
kernel void training_adam_f32(
    device float*       w      [[buffer(0)]],
    device float*       m      [[buffer(1)]],
    device float*       v      [[buffer(2)]],
    device const float* g      [[buffer(3)]],
    constant Params&    params [[buffer(4)]],
    uint position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position, INTERLEAVED);
    const uint count = params.columns;
    device const float* old_w = w;
    device const float* old_m = m;
    device const float* old_v = v;
    const wide gradient = load(g, at, count);
    const wide mean = fma(splat(params.beta1), load(old_m, at, count), splat(1.0f - params.beta1) * gradient);
    const wide squares =
        fma(splat(params.beta2), load(old_v, at, count), splat(1.0f - params.beta2) * gradient * gradient);
    wide step = splat(0.0f);
    for (uint e = 0; e < WIDE; ++e) {
        const float size = precise::sqrt(params.correction2 * element(squares, e)) + params.eps;
        set_element(step, e, params.correction1 * element(mean, e) / size);
    }
    const wide weight = load(old_w, at, count);
    store(w, at, count, weight - splat(params.rate) * fma(splat(params.decay), weight, step));
    store(m, at, count, mean);
    store(v, at, count, squares);
}
